// System information: what passes the gateway now, and since it started.

import { NOTHING, count, ms, rate, since } from "../ui/format.js";
import { h, setText, show } from "../ui/h.js";

const FIGURES = [
  ["Total Requests", ({ totals }) => count(totals.requests)],
  ["Requests", ({ totals }) => rate(totals.per_s)],
  ["Errors", ({ totals }) => rate(totals.errors_per_s)],
  ["P95", ({ totals }) => (totals.per_s ? ms(totals.p95_ms) : NOTHING)],
  ["Active Connections", ({ totals }) => count(totals.connections)],
  ["Running for", (store) => since(store.network?.started, store.now())],
  ["Load Balancer State", ({ totals }) => totals.balancer, "words"],
];

/** Shows the figures in `element`. */
export function figures(element, { store }) {
  const values = FIGURES.map(([name, , look]) => [name, h("dd", { class: look ?? null, dataset: { figure: name } }, NOTHING)]);
  show(element, h("h2", {}, "System information"), h("dl", { class: "figures" }, values.map(([name, value]) => h("div", { class: value.className || null }, h("dt", {}, name), value))));
  return store.subscribe(["totals", "network", "at"], () => {
    if (!store.totals) return;
    FIGURES.forEach(([, value], at) => setText(values[at][1], value(store)));
  });
}
