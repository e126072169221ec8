// What is known of one node, what it has been through, and what a manager can do with it.

import { withQuery } from "../api.js";
import { known, written } from "../charts/units.js";
import { link } from "../router.js";
import { clock, since } from "../ui/format.js";
import { h, setText, show } from "../ui/h.js";
import { icon } from "../ui/icons.js";
import { actionsFor } from "./actions.js";
import { health, sign } from "./health.js";

/** How often what isn't in the feed is asked for again, in milliseconds. */
const AGAIN_MS = 3_000;
/** The newest changes of state that are shown. */
const CHANGES = 12;

/** The details beside the picture; `closed()` is called when somebody closes them. */
export class Details {
  constructor({ store, api, session }, { closed }) {
    Object.assign(this, { store, api, session });
    this.node = null;
    this.title = h("h2", { tabindex: -1 });
    this.state = h("p", { class: "details-state" });
    this.facts = h("dl", { class: "pairs" });
    this.faults = h("div", {});
    this.actions = h("div", { class: "details-actions" });
    this.history = h("ol", { class: "changes" });
    this.past = h("div", {}, h("h3", {}, "What it has been through"), this.history);
    const close = h("button", { type: "button", class: "quiet", "aria-label": "Close details", on: { click: closed } }, icon("close"));
    this.element = h("section", { class: "section details", "aria-label": "Details", hidden: true, dataset: { part: "details" } },
      h("div", { class: "details-head" }, this.title, this.state, close), this.faults,
      h("div", { class: "details-body" }, this.facts, this.past, this.actions));
    this.element.addEventListener("keydown", (event) => event.key === "Escape" && closed());
    this.timer = setInterval(() => this.node && document.visibilityState === "visible" && this.ask(), AGAIN_MS);
  }

  /** Shows a node of the graph, or nothing. */
  show(node) {
    const isOther = node?.id !== this.node?.id;
    this.node = node && node.id !== "client" ? node : null;
    this.element.hidden = !this.node;
    if (!this.node) return;
    if (isOther) {
      show(this.history);
      this.past.hidden = true;
      show(this.actions, actionsFor(this.node, this));
      this.ask();
    }
    this.draw();
  }

  /** Brings it into sight, and gives it the keyboard. */
  arrive() {
    if (!this.node) return;
    this.element.scrollIntoView({ block: "nearest" });
    this.title.focus({ preventScroll: true });
  }

  /** Shows what is known now of the node that it shows. */
  refresh(byId) {
    if (!this.node) return;
    const node = byId.get(this.node.id);
    if (!node) return this.show(null);
    this.node = node;
    this.draw();
  }

  draw() {
    const { name, health: state, entry, instances } = this.node;
    setText(this.title, name);
    const reason = entry.reason ? `: ${entry.reason}` : "";
    const for_ = entry.since ? `, for ${since(entry.since, this.store.now())}` : "";
    const words = `${state.word}${for_}${reason}`;
    if (this.said !== `${state.shape}${words}`) {
      this.said = `${state.shape}${words}`;
      show(this.state, sign(state), words);
    }
    const facts = instances ? ofService(this.node) : ofInstance(entry);
    const text = facts.map(([term, value]) => `${term}\t${value.textContent ?? value}`).join("\n");
    if (this.told !== text) {
      this.told = text;
      show(this.facts, facts.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
    }
    const inForce = (entry.faults ?? []).join("\n");
    if (this.broken !== inForce) {
      this.broken = inForce;
      const list = (entry.faults ?? []).map((each) => h("li", {}, each));
      show(this.faults, list.length > 0 && h("div", { class: "in-force" }, h("h3", {}, "In force"), h("ul", {}, list)));
    }
  }

  /** Asks the gateway for the history of states, which the feed doesn't have. */
  async ask() {
    const { id, name, instances, entry } = this.node;
    if (id === "gateway" || !this.session.may("network:read")) return;
    const service = instances ? name : entry.service;
    try {
      const { data } = await this.api.get(withQuery("/api/v1/instances", { service, history: true }));
      if (this.node?.id !== id) return;
      const own = data.services.flatMap((each) => each.instances).filter((each) => instances || each.instance === name);
      const changes = own.flatMap((each) => each.history.map((change) => ({ ...change, instance: each.instance })));
      changes.sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
      this.tell(changes.slice(0, CHANGES), Boolean(instances));
    } catch {
      // It is asked again soon.
    }
  }

  tell(changes, named) {
    const text = changes.map(({ at, instance }) => at + instance).join();
    if (text === this.listed && !this.past.hidden) return;
    this.listed = text;
    this.past.hidden = changes.length === 0;
    show(this.history, changes.map(({ at, state, reason, instance }) => h("li", {},
      h("time", {}, clock(at)), sign(health(state)),
      h("span", {}, h("strong", {}, named ? `${instance} ${health(state).word}` : health(state).word), ` ${reason}`))));
  }

  /** Ends what asks. */
  end() {
    clearInterval(this.timer);
  }
}

const latency = (entry, column) => written(known(entry, column), "ms");

function ofInstance(entry) {
  const isGateway = entry.service === "gateway";
  return [
    ["Address", entry.address ?? "–"],
    ["Process", entry.pid ? `pid ${entry.pid}` : "none"],
    ["Requests", written(entry.per_s, "per_s")],
    ["Errors", written(entry.errors_per_s, "per_s")],
    ["P50 / P95", `${latency(entry, "p50_ms")} / ${latency(entry, "p95_ms")}`],
    ["P99", latency(entry, "p99_ms")],
    ["In flight", written(entry.in_flight, "count")],
    ["Connections", written(entry.connections, "count")],
    ...(isGateway ? [] : [
      ["Share", `${written(entry.share_percent, "percent")} (fair ${written(entry.fair_percent, "percent")})`],
      ["Weight", written(entry.weight, "count")],
    ]),
    ["Processor", `${written(entry.cpu_permille, "permille")} of a core`],
    ["Memory", written(entry.resident_bytes, "bytes")],
  ];
}

function ofService({ entry, instances }) {
  return [
    ["Protocol", entry.protocol ?? "–"],
    ["Port", entry.port ? String(entry.port) : "–"],
    ["Status", entry.status ?? "–"],
    ["Instances", String(instances.length)],
    ["Requests", written(entry.per_s, "per_s")],
    ["Errors", written(entry.errors_per_s, "per_s")],
    ["P50 / P95", `${latency(entry, "p50_ms")} / ${latency(entry, "p95_ms")}`],
    ["P99", latency(entry, "p99_ms")],
    ["In flight", written(entry.in_flight, "count")],
    ["Tried again", written(entry.retries, "count")],
    ["Balancing", h("a", { href: link("balancing", [entry.service]) }, entry.algorithm ?? "–")],
    ["Fairness", typeof entry.fairness === "number" ? entry.fairness.toFixed(3) : "–"],
  ];
}
