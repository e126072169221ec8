// The comparison of algorithms by what was measured under each; for managers, a run that gives each its turn.

import { written } from "../charts/units.js";
import { confirm } from "../ui/dialog.js";
import { h, setText } from "../ui/h.js";
import { table } from "../ui/table.js";
import { toast } from "../ui/toast.js";
import { TURN_S, Turns } from "./turns.js";

const plain = (title, value) => ({ title, value, number: true });

/** The section, for the service that `chosen()` names: `{ element, draw, end }`. */
export function comparison({ store, api, session }, windows, chosen) {
  const rows = table({
    caption: "Algorithms by what was measured", key: ({ algorithm }) => algorithm, empty: "Nothing was measured yet.",
    columns: [
      { title: "Algorithm", class: "unbroken", value: ({ algorithm }) => algorithm },
      plain("Measured for", ({ seconds }) => `${seconds} s`),
      plain("Requests", ({ requests }) => written(requests, "count")),
      plain("Rate", ({ per_s }) => written(per_s, "per_s")),
      plain("P50", ({ p50_ms }) => written(p50_ms, "ms")),
      plain("P95", ({ p95_ms }) => written(p95_ms, "ms")),
      plain("P99", ({ p99_ms }) => written(p99_ms, "ms")),
      plain("Worst P99", ({ worst_ms }) => written(worst_ms, "ms")),
      plain("Errors", ({ error_percent }) => written(error_percent, "percent")),
      plain("Fairness", ({ fairness }) => (Number.isNaN(fairness) ? "–" : fairness.toFixed(3))),
    ],
  });
  const progress = h("p", { class: "hint" });
  const start = h("button", { type: "button", on: { click: run } }, "Compare all now");
  const stop = h("button", { type: "button", hidden: true, on: { click: () => running?.stop() } }, "Stop");
  const hint = h("p", { class: "hint" },
    "Measured in this network in the last quarter of an hour and since this page is open, by the algorithm that was chosen: the least P99 first. "
    + "Percentiles are means of those of its seconds, weighed by requests. For the same requests under the same conditions, run ", h("code", {}, "micronet lab compare"), ".");
  const element = h("section", { class: "section", dataset: { part: "comparison" } },
    h("div", { class: "section-head" }, h("h2", {}, "Comparison of algorithms"), session.may("balancer:write") && [start, stop]),
    h("div", {}, rows.element), progress, hint);

  let running = null;

  function draw() {
    rows.update(chosen() ? windows.summary(chosen()) : []);
    start.hidden = running !== null;
    stop.hidden = running === null;
  }

  async function run() {
    const service = chosen();
    const { algorithms } = (await api.get("/api/v1/balancer")).data;
    const names = algorithms.map(({ name }) => name).filter((name) => name !== "adaptive");
    const sure = await confirm({
      title: `Compare algorithms on ${service}?`, button: "Compare",
      words: `Each of ${names.length} algorithms picks for ${TURN_S} s and is measured by the requests that come meanwhile; `
        + "then what is chosen now is set again. Put it under a steady load first, as with micronet load, and keep this page open.",
    });
    if (!sure) return;
    const turns = new Turns({ api, service, before: store.services.get(service).algorithm, windows });
    running = turns;
    const tell = (algorithm, number, left_s) => setText(progress, `${algorithm}, ${number} of ${names.length}: ${left_s} s left`);
    try {
      await turns.run(names, tell);
      toast(`The algorithms were compared on ${service}`, "ok");
    } catch (error) {
      toast(`The comparison was given up: ${error.message}`, "failed");
    } finally {
      running = null;
      setText(progress, "");
      draw();
    }
  }

  return { element, draw, end: () => running?.stop() };
}
