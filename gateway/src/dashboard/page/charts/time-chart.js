// A chart of lines over time: axes with round marks, a legend that says the values, a cursor, and the same as a table.

import { h, s } from "../ui/h.js";
import { Cursor, steer } from "./cursor.js";
import { areaPath, bandPath, linePath } from "./path.js";
import { binaryStep, linear, timeMarks, Top } from "./scale.js";
import { place, set } from "./drawing.js";
import { Table } from "./table.js";
import { marked, timeOf, written } from "./units.js";

const MARGIN = { top: 8, right: 8, bottom: 20, left: 56 };
const HEIGHT = 148;
/** Pixels that a mark of an axis wants for itself, and the sign of a moment. */
const ROOM = { across: 84, down: 36, sign: 16 };

let charts = 0;

/**
 * One chart. `unit` is one of units.js; each of `series` has the `column` of the past that it draws, a `label`, and a `look` (a class, as
 * `line-1`). `area` fills below the first one, `band` names two columns between which is filled. Of
 * points that are too close to be told apart, `gather` draws their "mean" or the "most". `least` is the top of the axis where there is
 * next to nothing.
 */
export class TimeChart {
  constructor({ title, unit, series, band = null, area = false, gather = "mean", least = 1, cursor = new Cursor() }) {
    Object.assign(this, { title, unit, series, band, area, gather, cursor });
    this.number = charts += 1;
    this.top = new Top(least, unit === "bytes" ? binaryStep : undefined);
    this.past = null;
    this.marks = [];
    this.span = { from_s: 0, to_s: 1, step_s: 1 };
    this.width = 0;
    this.build();
    this.ends = [
      cursor.follow(() => this.drawCursor()),
      steer(this.stage, cursor, () => this.span, (x) => this.timeAt(x)),
    ];
    this.watch = new ResizeObserver(([entry]) => this.resize(entry.contentRect.width));
    this.watch.observe(this.stage);
  }

  build() {
    const clip = `chart-clip-${this.number}`;
    this.clip = s("rect", { x: MARGIN.left, y: 0, height: HEIGHT });
    this.grid = s("g", { class: "chart-grid" });
    this.fill = s("path", { class: `chart-fill ${this.series[0].look}` });
    this.lines = this.series.map(({ look }) => s("path", { class: `chart-line ${look}` }));
    this.moments = s("g", {});
    this.needle = s("line", { class: "chart-needle", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
    this.dots = this.series.map(({ look }) => s("circle", { class: `chart-dot ${look}`, r: 3 }));
    const drawn = s("g", { "clip-path": `url(#${clip})` }, this.fill, this.lines);
    this.picture = s("svg", { class: "chart-picture", height: HEIGHT, "aria-hidden": "true" },
      s("clipPath", { id: clip }, this.clip), this.grid, drawn, this.moments, this.needle, this.dots);
    this.nothing = h("p", { class: "chart-nothing" }, "Nothing was measured yet");
    const label = `${this.title}, over time`;
    this.stage = h("div", { class: "chart-stage", role: "slider", tabindex: 0, "aria-label": label }, this.picture, this.nothing);
    this.table = new Table(this.title);
    this.element = h("figure", { class: "chart" }, this.head(), this.stage, this.table.element);
    this.hideCursor();
  }

  head() {
    this.time = h("span", { class: "chart-time" });
    this.said = this.series.map(() => h("b"));
    const entries = this.series.map(({ label, look }, at) => {
      const key = s("svg", { class: "chart-key", width: 16, height: 8, "aria-hidden": "true" },
        s("line", { class: `chart-line ${look}`, x1: 0, x2: 16, y1: 4, y2: 4 }));
      return h("span", {}, key, label, this.said[at]);
    });
    return h("figcaption", {}, h("h3", {}, this.title), this.time, h("span", { class: "chart-legend" }, entries));
  }

  /**
   * Shows a stretch of time of what was measured: `{ from_s, to_s, step_s }`, a sample being due each `step_s` seconds. `marks` are
   * moments in it: `[{ at_s, label }]`.
   */
  show(past, span, marks = []) {
    Object.assign(this, { past, span, marks });
    this.draw();
  }

  resize(width) {
    if (Math.round(width) === this.width) return;
    this.width = Math.round(width);
    set(this.picture, { width: this.width });
    set(this.clip, { width: Math.max(0, this.width - MARGIN.left - MARGIN.right) });
    this.draw();
  }

  timeAt(x) {
    const { from_s, to_s, step_s } = this.span;
    const at = linear([MARGIN.left, this.width - MARGIN.right], [from_s, to_s])(x);
    return Math.min(to_s, Math.max(from_s, Math.round(at / step_s) * step_s));
  }

  draw() {
    if (!this.past || this.width === 0) return;
    const { past, span: { from_s, to_s, step_s } } = this;
    const columns = this.series.map(({ column }) => column).concat(this.band ?? []);
    const greatest = Math.max(...columns.map((column) => past.greatest(column, from_s)));
    const axis = this.top.of(greatest, Math.floor((HEIGHT - MARGIN.top - MARGIN.bottom) / ROOM.down) + 1);
    this.x = linear([from_s, to_s], [MARGIN.left, this.width - MARGIN.right]);
    this.y = linear([0, axis.top], [HEIGHT - MARGIN.bottom, MARGIN.top]);
    this.drawGrid(axis.marks);
    const how = { from_s, gap_s: step_s * 2.5, x: this.x, y: this.y, gather: this.gather };
    this.series.forEach(({ column }, at) => set(this.lines[at], { d: linePath(past, column, how) }));
    if (this.band) set(this.fill, { d: bandPath(past, ...this.band, how) });
    else if (this.area) set(this.fill, { d: areaPath(past, this.series[0].column, how) });
    this.drawMarks();
    this.nothing.hidden = past.length > 0;
    this.drawCursor();
    this.table.show(past, this.span, this.series, this.unit);
  }

  /** Marks are elements that stay: only their places change. */
  drawGrid(values) {
    const right = this.width - MARGIN.right;
    const times = timeMarks(this.span.from_s, this.span.to_s, Math.max(2, Math.floor(right / ROOM.across)));
    const marks = [
      ...values.map((value) => ({ y: place(this.y(value)), x: null, text: marked(value, this.unit) })),
      ...times.marks.map((at) => ({ x: place(this.x(at)), y: null, text: timeOf(at, times.step >= 60) })),
    ];
    while (this.grid.childElementCount < marks.length) {
      this.grid.append(s("g", {}, s("line"), s("text")));
    }
    [...this.grid.children].forEach((group, at) => {
      const mark = marks[at];
      set(group, { visibility: mark ? null : "hidden" });
      if (!mark) return;
      const [line, text] = group.children;
      if (mark.x === null) {
        set(line, { x1: MARGIN.left, x2: right, y1: mark.y, y2: mark.y, class: null });
        set(text, { x: MARGIN.left - 8, y: mark.y + 4, "text-anchor": "end", text: mark.text, visibility: null });
      } else {
        const bottom = HEIGHT - MARGIN.bottom;
        set(line, { x1: mark.x, x2: mark.x, y1: bottom, y2: bottom + 4, class: "chart-tick" });
        // One that would be cut off at the edge isn't said.
        const fits = mark.x > MARGIN.left + 8 && mark.x < right - 20;
        set(text, { x: mark.x, y: HEIGHT - 4, "text-anchor": "middle", text: mark.text, visibility: fits ? null : "hidden" });
      }
    });
  }

  /** Moments: a line each, with its sign where there is room for it. */
  drawMarks() {
    let said = -Infinity;
    const { marks } = this;
    while (this.moments.childElementCount < marks.length) {
      const line = s("line", { y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
      this.moments.append(s("g", { class: "chart-moment" }, s("title"), line, s("text", { y: MARGIN.top + 4 })));
    }
    [...this.moments.children].forEach((group, at) => {
      const mark = marks[at];
      const isShown = mark && mark.at_s >= this.span.from_s && mark.at_s <= this.span.to_s;
      set(group, { visibility: isShown ? null : "hidden" });
      if (!isShown) return;
      const [title, line, text] = group.children;
      const x = place(this.x(mark.at_s));
      set(title, { text: mark.label });
      set(line, { x1: x, x2: x });
      const hasRoom = x - said > ROOM.sign;
      if (hasRoom) said = x;
      set(text, { x: x + 3, text: hasRoom ? (mark.sign ?? "") : "" });
    });
  }

  hideCursor() {
    for (const each of [this.needle, ...this.dots]) set(each, { visibility: "hidden" });
  }

  /** The needle, and the values where it stands; without one, the last values. */
  drawCursor() {
    if (!this.past || this.width === 0) return;
    const { past, cursor, span: { from_s, to_s, step_s } } = this;
    const at = cursor.at;
    const index = past.nearest(at ?? to_s, at === null ? step_s * 3 : step_s * 1.5);
    const values = this.series.map(({ column }) => (index < 0 ? NaN : past.valueOf(index, column)));
    values.forEach((value, each) => set(this.said[each], { text: written(value, this.unit) }));
    const words = this.series.map(({ label }, each) => `${label} ${written(values[each], this.unit)}`).join(", ");
    const moment = at === null ? null : this.marks.findLast(({ at_s }) => Math.abs(at_s - at) <= step_s);
    const when = at === null ? "" : moment ? `${timeOf(at)} · ${moment.label}` : timeOf(at);
    set(this.time, { text: when });
    // What a screen reader stands on is told anew only when the cursor moves.
    if (at !== null || document.activeElement !== this.stage) {
      set(this.stage, {
        "aria-valuemin": Math.round(from_s), "aria-valuemax": Math.round(to_s), "aria-valuenow": Math.round(at ?? to_s),
        "aria-valuetext": `${when || "now"}: ${words}`,
      });
    }
    this.hideCursor();
    if (at === null || at < from_s || at > to_s) return;
    const x = place(this.x(at));
    set(this.needle, { x1: x, x2: x, visibility: null });
    values.forEach((value, each) => {
      if (!Number.isNaN(value)) set(this.dots[each], { cx: place(this.x(past.timeOf(index))), cy: place(this.y(value)), visibility: null });
    });
  }

  /** Ends what listens. */
  end() {
    this.watch.disconnect();
    for (const end of this.ends) end();
  }
}
