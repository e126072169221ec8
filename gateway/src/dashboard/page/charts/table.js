// The values of a chart as a table, for who would rather read than look.

import { h, show } from "../ui/h.js";
import { timeOf, written } from "./units.js";

/** Rows of a table: the times between are left out. */
const ROWS = 12;

/** A table that is made only while somebody has opened it. */
export class Table {
  constructor(title) {
    this.table = h("table");
    const summary = h("summary", { "aria-label": `${title} as a table` }, "Table");
    this.element = h("details", { class: "chart-table", on: { toggle: () => this.fill() } }, summary, this.table);
    this.shown = null;
    this.filled_s = -Infinity;
  }

  /** What it is to show from now on; it is read in peace, so the rows change less often than the chart. */
  show(past, span, series, unit) {
    this.shown = { past, span, series, unit };
    if (this.element.open && span.to_s - this.filled_s >= 5) this.fill();
  }

  fill() {
    if (!this.element.open || !this.shown) return;
    const { past, span: { from_s, to_s, step_s }, series, unit } = this.shown;
    this.filled_s = to_s;
    const step = Math.max(step_s, Math.ceil((to_s - from_s) / ROWS / step_s) * step_s);
    const rows = [];
    for (let at = to_s; at >= from_s && rows.length < ROWS; at -= step) {
      const index = past.nearest(at, step_s * 1.5);
      if (index < 0) continue;
      const values = series.map(({ column }) => written(past.valueOf(index, column), unit));
      rows.push(row("td", [timeOf(past.timeOf(index)), ...values]));
    }
    show(this.table, h("thead", {}, row("th", ["Time", ...series.map(({ label }) => label)])), h("tbody", {}, rows));
  }
}

const row = (kind, texts) => h("tr", {}, texts.map((text) => h(kind, {}, text)));
