// Server performance: every instance in a line, and the chosen one over time.

import { Board } from "../charts/board.js";
import { set } from "../charts/drawing.js";
import { Sparkline } from "../charts/sparkline.js";
import { known, written } from "../charts/units.js";
import { link } from "../router.js";
import { health, sign, stateOf } from "../topology/health.js";
import { h, keyed, setText, show } from "../ui/h.js";

/** Seconds that a sparkline shows. */
const RECENT_S = 60;

const byName = (a, b) => a.instance.localeCompare(b.instance, "en", { numeric: true });
const number = (title, column, unit) => ({ title, column, unit, of: (entry) => Number(entry[column] ?? 0) });

const COLUMNS = [
  { title: "Instance", column: "instance" },
  { title: "State", column: "state", of: (entry) => health(stateOf(entry)).rank },
  number("Requests", "per_s", "per_s"),
  number("Errors", "errors_per_s", "per_s"),
  number("P50", "p50_ms", "ms"),
  number("P95", "p95_ms", "ms"),
  number("P99", "p99_ms", "ms"),
  number("Processor", "cpu_permille", "permille"),
  number("Memory", "resident_bytes", "bytes"),
  number("In flight", "in_flight", "count"),
  number("Connections", "connections", "count"),
];
const FIGURES = COLUMNS.slice(2);

/** Shows it until what this returns is called. `#/servers/product-1` opens an instance. */
export function mount(element, { store, api, route }) {
  let order = { column: "instance", down: false };
  let chosen = route?.parts[0] ?? null;
  let board = null;
  const recent = new Map();

  const service = h("select", { id: "servers-service", on: { change: draw } }, h("option", { value: "" }, "All services"));
  const find = h("input", { id: "servers-find", type: "search", placeholder: "product-1", on: { input: draw } });
  const summary = h("p", { class: "soft", role: "status" });
  const body = h("tbody");
  const heads = COLUMNS.map((column) => h("th", { scope: "col", class: column.unit ? "number" : null, dataset: { column: column.column } },
    h("button", { type: "button", class: "quiet sorts", on: { click: () => sort(column.column) } }, column.title)));
  const table = h("table", { class: "servers" }, h("caption", { class: "visually-hidden" }, "Instances"), h("thead", {}, h("tr", {}, heads)), body);
  const none = h("p", { class: "empty" }, "No instance is like that.");
  const stage = h("div", {});
  element.append(
    h("div", { class: "filters" },
      h("div", { class: "field" }, h("label", { for: "servers-service" }, "Service"), service),
      h("div", { class: "field" }, h("label", { for: "servers-find" }, "Name"), find), summary),
    h("section", { class: "section" }, h("div", { class: "scroll", role: "region", "aria-label": "Instances", tabindex: "0" }, table), none), stage);

  function sort(column) {
    order = { column, down: order.column === column ? !order.down : column !== "instance" };
    draw();
  }

  function choose(instance) {
    chosen = instance;
    history.replaceState(null, "", link("servers", instance ? [instance] : []));
    open();
    draw();
  }

  function open() {
    if (chosen === null) {
      board?.end();
      board = null;
      show(stage);
    } else if (board) board.show({ instance: chosen }, chosen);
    else {
      board = new Board({
        store, api, subject: { instance: chosen }, title: chosen,
        measures: ["requests", "latency", "errors", "in_flight", "cpu", "memory"],
      });
      show(stage, board.element);
    }
  }

  function wanted(entry) {
    return (!service.value || entry.service === service.value) && entry.instance.includes(find.value.trim());
  }

  function sorted(entries) {
    const { of } = COLUMNS.find(({ column }) => column === order.column);
    const compare = of ? (a, b) => of(a) - of(b) || byName(a, b) : byName;
    return entries.sort((a, b) => (order.down ? -compare(a, b) : compare(a, b)));
  }

  function draw() {
    const all = [...store.instances.values()];
    const names = [...new Set(all.map((entry) => entry.service))].sort();
    keyed(service, ["", ...names], { key: (name) => name || "all", make: (name) => h("option", { value: name }, name || "All services") });
    const shown = sorted(all.filter(wanted));
    const up = shown.filter((entry) => health(stateOf(entry)).look === "good").length;
    setText(summary, `${shown.length} instance${shown.length === 1 ? "" : "s"}, ${up} up`);
    none.hidden = shown.length > 0;
    heads.forEach((head, at) => set(head, { "aria-sort": COLUMNS[at].column !== order.column ? null : order.down ? "descending" : "ascending" }));
    keyed(body, shown, { key: (entry) => entry.instance, make, update });
  }

  const rows = new WeakMap();

  function make(entry) {
    const spark = new Sparkline();
    const state = h("span", { class: "state-word" });
    const cells = new Map(FIGURES.map(({ column }) => [column, h("span")]));
    const toggle = () => choose(chosen === entry.instance ? null : entry.instance);
    const name = h("button", { type: "button", class: "quiet name", on: { click: toggle } }, entry.instance);
    const faults = h("span", { class: "soft" });
    const row = h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, state, faults),
      FIGURES.map(({ column }) => h("td", { class: "number" }, column === "per_s" ? [spark.element, cells.get(column)] : cells.get(column))));
    rows.set(row, { spark, state, cells, name, faults, said: "" });
    return row;
  }

  function update(row, entry) {
    const shown = rows.get(row);
    const state = health(stateOf(entry));
    if (shown.said !== state.word) {
      shown.said = state.word;
      show(shown.state, sign(state), state.word);
    }
    setText(shown.faults, (entry.faults ?? []).join("; "));
    for (const { column, unit } of FIGURES) set(shown.cells.get(column), { text: written(known(entry, column), unit) });
    set(shown.name, { "aria-expanded": String(chosen === entry.instance) });
    const values = recent.get(entry.instance) ?? [];
    shown.spark.show(values, RECENT_S, Math.max(1, ...values.filter((value) => value > 0)));
  }

  // A value a second for each instance, whether or not it changed.
  const timer = setInterval(() => {
    for (const { instance, per_s } of store.instances.values()) {
      const values = recent.get(instance) ?? [];
      values.push(store.connection.state === "live" ? per_s : NaN);
      recent.set(instance, values.slice(-RECENT_S));
    }
    for (const instance of recent.keys()) if (!store.instances.has(instance)) recent.delete(instance);
    if (document.visibilityState === "visible") draw();
  }, 1000);

  open();
  const unsubscribe = store.subscribe(["instances"], draw);
  return () => {
    unsubscribe();
    clearInterval(timer);
    board?.end();
  };
}
