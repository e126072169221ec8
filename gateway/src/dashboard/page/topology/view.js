// The graph drawn, and drawn again: what is there stays the same element, and only what changed is written.

import { set } from "../charts/drawing.js";
import { written } from "../charts/units.js";
import { h, s } from "../ui/h.js";
import { shapeOf, tally } from "./health.js";
import { layout } from "./layout.js";
import { steps } from "./keys.js";
import { structureOf } from "./model.js";

/** How wide a letter of the second line is, in pixels. */
const SMALL = 6.3;

/** Letters that fit a width, at the size that they have there. */
const fitting = (text, width, letter = 7) => {
  const most = Math.max(3, Math.floor(width / letter));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
};

const rate = (per_s) => (per_s > 0 ? written(per_s, "per_s") : "idle");
const speed = ({ per_s, mean_ms }) => (per_s > 0 && mean_ms > 0 ? ` · ${written(mean_ms, "ms")}` : "");

/** What stands at a link. One between services that is idle says something only if its callee is lost. */
function words(link, short, isBetween) {
  if (isBetween && !(link.per_s > 0)) return link.health.look === "bad" ? link.health.word : "";
  return short ? rate(link.per_s) : rate(link.per_s) + speed(link);
}

let arrows = 0;

/** The picture. `chosen(id)` is called when somebody clicks a node or presses Enter on it. */
export class Topology {
  constructor({ chosen = () => {} } = {}) {
    this.chosen = chosen;
    this.nodes = new Map();
    this.wires = new Map();
    this.stubs = new Map();
    this.graph = null;
    this.width = 0;
    this.structure = "";
    this.here = "gateway";
    this.selected = null;
    this.arrow = `arrow-${(arrows += 1)}`;
    const head = s("marker", { id: this.arrow, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" },
      s("path", { class: "wire-head", d: "M0 0L8 4L0 8Z" }));
    this.layers = ["stubs", "wires", "nodes", "labels"].map((name) => s("g", { class: `topology-${name}` }));
    this.picture = s("svg", { class: "topology-picture", role: "group", "aria-label": "Topology: arrow keys move, Enter opens" },
      s("defs", {}, head), this.layers);
    this.element = h("div", { class: "topology" }, this.picture);
    this.picture.addEventListener("click", (event) => this.open(event));
    this.picture.addEventListener("keydown", (event) => this.press(event));
    this.watch = new ResizeObserver(([entry]) => this.resize(entry.contentRect.width));
    this.watch.observe(this.element);
  }

  /** Shows a graph of model.js. */
  show(graph) {
    this.graph = graph;
    this.draw();
  }

  /** Gives a node the keyboard. */
  focus(id) {
    this.nodes.get(id)?.group.focus();
  }

  /** Marks a node, or none. */
  select(id) {
    const before = this.nodes.get(this.selected);
    if (before) set(before.group, { "aria-pressed": "false" });
    this.selected = id;
    const now = this.nodes.get(id);
    if (now) set(now.group, { "aria-pressed": "true" });
  }

  resize(width) {
    if (Math.round(width) === this.width) return;
    this.width = Math.round(width);
    this.structure = "";
    this.draw();
  }

  draw() {
    if (!this.graph || this.width === 0) return;
    const structure = structureOf(this.graph);
    if (structure !== this.structure) {
      this.structure = structure;
      this.places = layout(this.graph, this.width);
      const height = Math.ceil(this.places.height) + 2;
      set(this.picture, { width: this.width, height, viewBox: `-1 -1 ${this.width + 2} ${height}` });
    }
    this.drawStubs();
    this.drawWires();
    this.drawNodes();
  }

  /** Keeps one element for each id, made by `make`, and removes those that are gone. */
  keep(known, ids, make) {
    for (const [id, elements] of known) {
      if (ids.has(id)) continue;
      Object.values(elements).forEach((element) => element.remove());
      known.delete(id);
    }
    for (const id of ids) if (!known.has(id)) known.set(id, make(id));
  }

  drawStubs() {
    const stubs = new Map(this.places.stubs.map((stub) => [stub.id, stub.d]));
    this.keep(this.stubs, new Set(stubs.keys()), () => {
      const group = s("path", { class: "stub" });
      this.layers[0].append(group);
      return { group };
    });
    for (const [id, { group }] of this.stubs) set(group, { d: stubs.get(id) });
  }

  drawWires() {
    const links = new Map(this.graph.links.filter(({ id }) => this.places.wires.has(id)).map((link) => [link.id, link]));
    this.keep(this.wires, new Set(links.keys()), () => {
      const [line, label] = [s("path"), s("text", { class: "wire-label" })];
      this.layers[1].append(line);
      this.layers[3].append(label);
      return { line, label };
    });
    for (const [id, { line, label }] of this.wires) {
      const [link, { d, arrow, label: at }] = [links.get(id), this.places.wires.get(id)];
      const idle = !(link.per_s > 0);
      const strength = idle ? 1 : Math.min(6, 1.2 + Math.log10(1 + link.per_s) * 1.4);
      const look = ["wire", link.health.look, idle && "idle-wire", arrow && "between"].filter(Boolean).join(" ");
      set(line, { d, class: look, "stroke-width": strength.toFixed(1), "marker-end": arrow ? `url(#${this.arrow})` : null });
      set(label, { x: at?.x ?? 0, y: at?.y ?? 0, "text-anchor": at?.anchor ?? null, text: at ? words(link, at.short, arrow) : "" });
    }
  }

  drawNodes() {
    const all = [this.graph.client, this.graph.gateway, ...this.graph.services.flatMap((service) => [service, ...service.instances])];
    const byId = new Map(all.map((node) => [node.id, node]));
    this.byId = byId;
    this.keep(this.nodes, new Set(byId.keys()), (id) => this.make(id));
    if (!byId.has(this.here)) this.here = "gateway";
    for (const [id, shown] of this.nodes) {
      const [node, box] = [byId.get(id), this.places.boxes.get(id)];
      const said = this.said(node, box);
      const look = node.health?.look ?? "idle";
      set(shown.group, {
        class: `node ${node.id.split(":")[0]} ${look}${box.tile ? " tile" : ""}`, transform: `translate(${box.x} ${box.y})`,
        "aria-label": said.label, tabindex: id === this.here ? 0 : -1, "aria-pressed": String(id === this.selected),
      });
      set(shown.box, { width: box.width, height: box.height });
      const middle = box.height / 2;
      set(shown.shape, { d: node.health ? shapeOf(node.health) : null, transform: `translate(${box.tile ? 7 : 10} ${said.second ? 12 : middle - 6})` });
      set(shown.first, { x: node.health ? (box.tile ? 25 : 28) : 12, y: said.second ? 22 : middle + 4, text: said.first });
      set(shown.second, { x: node.health ? 28 : 12, y: 42, text: said.second ?? "" });
      set(shown.aside, { x: box.width - 10, y: said.second ? 22 : middle + 4, text: said.aside ?? "" });
      set(shown.title, { text: said.label });
    }
  }

  make(id) {
    const shown = {
      box: s("rect", { class: "node-box", rx: 4 }),
      shape: s("path", { class: "node-shape", "fill-rule": "evenodd" }),
      first: s("text", { class: "node-name" }),
      second: s("text", { class: "node-figures" }),
      aside: s("text", { class: "node-aside", "text-anchor": "end" }),
      title: s("title"),
    };
    shown.group = s("g", { role: "button", "data-id": id },
      shown.title, shown.box, shown.shape, shown.first, shown.second, shown.aside);
    this.layers[2].append(shown.group);
    return shown;
  }

  /** What a node says: in its lines, and to a screen reader. */
  said(node, box) {
    if (node.id === "client") {
      const connections = `${written(node.entry.connections, "count")} connections`;
      return { first: node.name, second: fitting(connections, box.width - 16, SMALL), label: `${node.name}: ${connections}` };
    }
    if (node.id === "gateway") {
      const { p95_ms, per_s } = node.entry;
      const second = per_s > 0 ? `P95 ${written(p95_ms, "ms")}` : "idle";
      return { first: fitting(node.name, box.width - 40), second, label: `${node.name}: ${written(per_s, "per_s")}, P95 ${written(p95_ms, "ms")}` };
    }
    if (node.instances) return this.ofService(node, box);
    const { per_s, mean_ms, in_flight } = node.entry;
    const figures = rate(per_s) + speed({ per_s, mean_ms });
    const label = `${node.name}: ${node.health.word}, ${figures}, ${in_flight ?? 0} in flight`;
    if (box.tile) return { first: node.name.match(/\d+$/)?.[0] ?? fitting(node.name, 26), label };
    const good = node.health.look === "good";
    return { first: fitting(node.name, box.width * 0.5 - 28), aside: good ? figures : node.health.word, label };
  }

  ofService(node, box) {
    const { port } = node.entry;
    const second = tally(node.instances.map((each) => each.health)) || "no instance";
    const link = this.graph.links.find(({ from, to }) => from === "gateway" && to === node.id);
    const aside = this.places.narrow ? rate(link.per_s) + speed(link) : port ? `:${port}` : "";
    return {
      first: fitting(node.name, box.width - (this.places.narrow ? 150 : 76)), second: fitting(second, box.width - 36, SMALL), aside,
      label: `${node.name}${port ? `, port ${port}` : ""}: ${second}`,
    };
  }

  open(event) {
    const id = event.target.closest("[data-id]")?.dataset.id;
    if (!id) return;
    this.move(id);
    this.chosen(id);
  }

  press(event) {
    const id = event.target.closest?.("[data-id]")?.dataset.id;
    if (!id) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.chosen(id);
      return;
    }
    const next = steps(id, event.key, this.places.boxes);
    if (next === null) return;
    event.preventDefault();
    this.move(next);
  }

  /** Where keys go on from. */
  move(id) {
    set(this.nodes.get(this.here)?.group ?? this.picture, this.nodes.has(this.here) ? { tabindex: -1 } : {});
    this.here = id;
    const { group } = this.nodes.get(id);
    set(group, { tabindex: 0 });
    group.focus({ preventScroll: false });
  }

  /** Ends what listens. */
  end() {
    this.watch.disconnect();
  }
}
