// Charts of one subject side by side, over the same time and with one cursor.

import { instant } from "../ui/format.js";
import { segments } from "../ui/form.js";
import { h, setText } from "../ui/h.js";
import { Cursor } from "./cursor.js";
import { TimeChart } from "./time-chart.js";
import { Timeline } from "./timeline.js";

const RANGES = [["60", "1 min"], ["300", "5 min"], ["900", "15 min"], ["10800", "3 h"]];

const LATENCIES = [
  { column: "p50_ms", label: "P50", look: "line-1" },
  { column: "p95_ms", label: "P95", look: "line-2" },
  { column: "p99_ms", label: "P99", look: "line-3" },
];

const one = (column, label, look = "line-1") => [{ column, label, look }];

/** What can be shown of a subject. */
const MEASURES = {
  requests: { title: "Requests", unit: "per_s", series: one("per_s", "a second"), area: true, least: 5 },
  latency: { title: "Latency", unit: "ms", series: LATENCIES, band: ["p50_ms", "p99_ms"], gather: "most", least: 1 },
  errors: { title: "Errors", unit: "per_s", series: one("errors_per_s", "a second", "line-bad"), area: true, gather: "most", least: 1 },
  connections: { title: "Connections", unit: "count", series: one("connections", "open"), least: 5 },
  in_flight: { title: "In flight", unit: "count", series: one("in_flight", "calls"), gather: "most", least: 5 },
  cpu: { title: "Processor", unit: "permille", series: one("cpu_permille", "of a core"), area: true, least: 100 },
  memory: { title: "Memory", unit: "bytes", series: one("resident_bytes", "resident"), least: 2 ** 24 },
};

/** Kinds of events that are marked, and the most of them at once. */
const DEEDS = ["Fault", "Balancer", "Drill"];
const MARKS = 20;

let chosen_s = 300;

/** A board of these measures, in their order. */
export class Board {
  constructor({ store, api, subject = {}, measures, title = "Over time" }) {
    const cursor = new Cursor();
    this.charts = measures.map((name) => new TimeChart({ ...MEASURES[name], cursor }));
    this.heading = h("h2", {}, title);
    const range = segments("Range", RANGES, String(chosen_s), (value) => this.range(Number(value)));
    const head = h("div", { class: "section-head" }, this.heading, range);
    const cells = this.charts.map(({ element }) => h("div", { class: "board-cell" }, element));
    this.element = h("section", { class: "section board" }, head, h("div", { class: "board-cells" }, cells));
    this.timeline = new Timeline({ store, api, subject, range_s: chosen_s, changed: () => this.draw() });
  }

  /** Shows another subject from now on. */
  show(subject, title) {
    setText(this.heading, title);
    this.timeline.choose({ subject });
  }

  range(range_s) {
    chosen_s = range_s;
    this.timeline.choose({ range_s });
  }

  draw() {
    const { past, span } = this.timeline;
    const marks = this.marks(span);
    for (const chart of this.charts) chart.show(past, span, marks);
  }

  /** What somebody did that the charts may show the effect of. */
  marks({ from_s, to_s }) {
    const { store, subject } = this.timeline;
    const named = subject.instance ?? subject.service ?? "";
    const isOurs = ({ kind, subject: of }) => DEEDS.includes(kind) && of.startsWith(named);
    const marks = store.events.filter(isOurs).map(({ at, subject: of, words }) => ({ at_s: instant(at) / 1000, label: of ? `${of}: ${words}` : words }));
    return marks.filter(({ at_s }) => at_s >= from_s && at_s <= to_s).slice(-MARKS);
  }

  /** Ends what listens. */
  end() {
    this.timeline.end();
    for (const chart of this.charts) chart.end();
  }
}
