// One drill: where it stands, what was measured second by second, what happened when, and its report.

import { Cursor } from "../charts/cursor.js";
import { Figures } from "../charts/figures.js";
import { Past } from "../charts/past.js";
import { TimeChart } from "../charts/time-chart.js";
import { written } from "../charts/units.js";
import { instant } from "../ui/format.js";
import { h, setText, show } from "../ui/h.js";
import { table } from "../ui/table.js";
import { badge, setBadge, words } from "../ui/state.js";

const GRADES = { Held: "ok", Bent: "warn", Broke: "bad" };
const STATES = { Done: "ok", Aborted: "warn", Failed: "bad" };

const ms = (us) => written(us / 1000, "ms");
const after = (ms_after) => (typeof ms_after === "number" ? written(ms_after, "ms") : "not yet");
const lost = ({ lost: count, requests }) => (requests ? `${written(count, "count")} (${written((count / requests) * 100, "percent")})` : "0");

const FIGURES = [
  ["Detected after", ({ report }) => after(report.detected?.after_ms)],
  ["Ejected after", ({ report }) => after(report.ejected?.after_ms)],
  ["Requests lost", ({ report }) => lost(report)],
  ["Tried again", ({ report }) => written(report.retried, "count")],
  ["P99 before → during", ({ report }) => `${ms(report.before.p99_us)} → ${ms(report.during.p99_us)}`],
  ["Recovered after", ({ report }) => after(report.recovered_after_ms)],
];

const PHASES = [
  { title: "Requests due", value: ({ name }) => name },
  { title: "Requests", number: true, value: ({ requests }) => written(requests, "count") },
  { title: "Lost", number: true, value: lost },
  { title: "P50", number: true, value: ({ p50_us }) => ms(p50_us) },
  { title: "P95", number: true, value: ({ p95_us }) => ms(p95_us) },
  { title: "P99", number: true, value: ({ p99_us }) => ms(p99_us) },
  { title: "Longest", number: true, value: ({ max_us }) => ms(max_us) },
];

const COLUMNS = ["requests", "lost", "p50_ms", "p99_ms", "max_ms"];

/** A drill's place in the panel. `abort(id)` is called by the button for it, where there is one. */
export class Drill {
  constructor({ abort }) {
    const cursor = new Cursor();
    this.shown = null;
    this.past = new Past(COLUMNS, 900);
    this.charts = [
      new TimeChart({
        title: "Requests", unit: "per_s", area: true, least: 5, cursor,
        series: [{ column: "requests", label: "ended", look: "line-1" }, { column: "lost", label: "lost", look: "line-bad" }],
      }),
      new TimeChart({
        title: "Latency", unit: "ms", band: ["p50_ms", "p99_ms"], gather: "most", cursor,
        series: [{ column: "p50_ms", label: "P50", look: "line-1" }, { column: "p99_ms", label: "P99", look: "line-3" }],
      }),
    ];
    this.title = h("h2", {});
    this.state = badge();
    this.grade = badge();
    this.verdict = h("p", { class: "verdict", role: "status" });
    this.abort = abort && h("button", { type: "button", class: "danger", on: { click: () => abort(this.shown.id) } }, "Abort and recover");
    this.figures = new Figures(FIGURES);
    this.timeline = h("ol", { class: "changes numbered" });
    this.phases = table({ caption: "Before, during and after the fault", key: ({ name }) => name, columns: PHASES });
    this.losses = table({
      caption: "What was lost", key: ({ kind }) => kind, empty: "Nothing was lost.",
      columns: [{ title: "Instead of an answer", value: ({ kind }) => kind }, { title: "How often", number: true, value: ({ count }) => written(count, "count") }],
    });
    const cells = this.charts.map(({ element }) => h("div", { class: "board-cell" }, element));
    this.element = h("div", { class: "drill", hidden: true, dataset: { part: "drill" } },
      h("section", { class: "section" },
        h("div", { class: "section-head" }, this.title, this.state, this.grade, this.abort), this.verdict),
      this.figures.element,
      h("section", { class: "section board" }, h("div", { class: "board-cells" }, cells)),
      h("section", { class: "section" }, h("h2", {}, "What happened"), this.timeline),
      h("section", { class: "section" }, h("h2", {}, "What it cost"), this.phases.element, this.losses.element));
  }

  /** Whether this one is shown already, and can't change any more. */
  isOver(id) {
    return this.shown?.id === id && ["Done", "Aborted", "Failed"].includes(this.shown.state);
  }

  /** Shows a drill. */
  show(drill) {
    this.shown = drill;
    this.element.hidden = false;
    const over = this.isOver(drill.id);
    setText(this.title, drill.what);
    const left = drill.left_ms ? `, ${written(drill.left_ms, "ms")} left` : "";
    setBadge(this.state, { word: words(drill.state) + left, kind: STATES[drill.state] ?? "warn" });
    const { grade } = drill.report;
    setBadge(this.grade, { word: words(grade), kind: GRADES[grade] ?? "idle" });
    this.grade.hidden = grade === "Open";
    setText(this.verdict, drill.reason ?? drill.report.verdict);
    if (this.abort) this.abort.hidden = over;
    this.figures.show(drill);
    this.draw(drill);
    show(this.timeline, drill.timeline.map(({ at_ms, words: said }, at) =>
      h("li", {}, h("b", { class: "moment" }, String(at + 1)), h("time", {}, `${(at_ms / 1000).toFixed(1)} s`), h("span", {}, said))));
    const { report } = drill;
    this.phases.update(["before", "during", "after"].map((name) => ({ name, ...report[name] })));
    this.losses.update(drill.report.lost_by_kind);
  }

  draw({ began, seconds, timeline, elapsed_ms }) {
    const began_s = Math.floor(instant(began) / 1000);
    this.past.clear();
    for (const { at_s, requests, lost: gone, p50_us, p99_us, max_us } of seconds) {
      const answered = requests > gone;
      this.past.add(began_s + at_s, {
        requests, lost: gone, p50_ms: answered ? p50_us / 1000 : NaN, p99_ms: answered ? p99_us / 1000 : NaN, max_ms: max_us / 1000,
      });
    }
    const marks = timeline.map(({ at_ms, words: said }, at) => ({ at_s: began_s + at_ms / 1000, label: said, sign: String(at + 1) }));
    const span = { from_s: began_s, to_s: began_s + Math.max(15, Math.ceil(elapsed_ms / 1000)), step_s: 1 };
    for (const chart of this.charts) chart.show(this.past, span, marks);
  }

  /** Ends what listens. */
  end() {
    for (const chart of this.charts) chart.end();
  }
}
