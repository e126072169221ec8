// Network overview: the topology with its details, what passes in all, and that over time.

import { Board } from "../charts/board.js";
import { Figures } from "../charts/figures.js";
import { known, written } from "../charts/units.js";
import { Details } from "../topology/details.js";
import { health, stateOf } from "../topology/health.js";
import { graphOf } from "../topology/model.js";
import { Topology } from "../topology/view.js";
import { h } from "../ui/h.js";

const FIGURES = [
  ["Requests", ({ totals }) => written(totals?.per_s, "per_s")],
  ["Errors", ({ totals }) => written(totals?.errors_per_s, "per_s")],
  ["P50", ({ totals }) => written(totals && known(totals, "p50_ms"), "ms")],
  ["P95", ({ totals }) => written(totals && known(totals, "p95_ms"), "ms")],
  ["P99", ({ totals }) => written(totals && known(totals, "p99_ms"), "ms")],
  ["Connections", ({ totals }) => written(totals?.connections, "count")],
  ["Instances up", ({ instances }) => {
    const all = [...instances.values()];
    return all.length ? `${all.filter((each) => health(stateOf(each)).look === "good").length} of ${all.length}` : "–";
  }],
  ["Requests in all", ({ totals }) => written(totals?.requests, "count")],
];

/** Shows it until what this returns is called. A node can be opened by the address: `#/network/product-1`. */
export function mount(element, context) {
  const { store, api, session, route } = context;
  const figures = new Figures(FIGURES);
  const details = new Details(context, { closed: close });
  const topology = new Topology({ chosen: choose });
  const board = new Board({ store, api, measures: ["requests", "latency", "errors", "connections"], title: "Everything that passes the gateway" });
  const none = h("p", { class: "empty" }, "Waiting for what the network says of itself.");
  const more = session.may("control:write") ? " and what can be done with it" : "";
  const legend = h("p", { class: "hint" }, `Links are as thick as they are busy. Choose a node for its details${more}.`);
  const map = h("section", { class: "section map" }, h("h2", {}, "Topology"), none, topology.element, legend);
  element.append(figures.element, map, details.element, board.element);

  let named = route?.parts[0];
  function choose(id) {
    topology.select(id);
    details.show(topology.byId.get(id));
    details.arrive();
  }

  function close() {
    const { selected } = topology;
    topology.select(null);
    details.show(null);
    topology.focus(selected);
  }

  const ends = [
    store.subscribe(["totals", "services", "instances", "links"], () => {
      figures.show(store);
      none.hidden = store.services.size > 0;
      if (!none.hidden) return;
      topology.show(graphOf(store));
      details.refresh(topology.byId ?? new Map());
      const id = named && [`instance:${named}`, `service:${named}`, named].find((each) => topology.byId?.has(each));
      if (id) {
        named = null;
        choose(id);
      }
    }),
    () => topology.end(),
    () => details.end(),
    () => board.end(),
  ];
  return () => ends.forEach((end) => end());
}
