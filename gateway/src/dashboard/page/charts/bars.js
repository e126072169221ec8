// Bars with a mark where each should end: what everybody got, beside what would be fair. It is a table, and reads as one.

import { h } from "../ui/h.js";
import { set } from "./drawing.js";
import { written } from "./units.js";

/** Rows of bars, kept from one time to the next. `columns` are headings: of the name, of the bar, and of what `cells` say. */
export class Bars {
  constructor({ caption, columns }) {
    this.columns = columns;
    this.rows = new Map();
    this.body = h("tbody");
    const head = h("tr", {}, columns.map((text) => h("th", { scope: "col" }, text)));
    this.element = h("table", { class: "bars" }, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, head), this.body);
  }

  /** Shows rows `{ name, percent, fair, cells }`; `fair` may be absent. What reaches to the edge is the largest of them, or `full`; a mark never does. */
  show(rows, full = 0) {
    const edge = Math.max(full, 1, ...rows.flatMap(({ percent, fair }) => [percent ?? 0, (fair ?? 0) * 1.05]));
    const gone = new Set(this.rows.keys());
    rows.forEach((row, at) => {
      gone.delete(row.name);
      const shown = this.rows.get(row.name) ?? this.add(row);
      set(shown.text, { text: written(row.percent, "percent") });
      shown.bar.style.inlineSize = `${Math.min(100, ((row.percent ?? 0) / edge) * 100).toFixed(1)}%`;
      const known = row.fair !== null && row.fair !== undefined;
      shown.mark.hidden = !known;
      if (known) shown.mark.style.insetInlineStart = `${((row.fair / edge) * 100).toFixed(1)}%`;
      row.cells.forEach((text, cell) => set(shown.cells[cell], { text }));
      if (this.body.children[at] !== shown.row) this.body.insertBefore(shown.row, this.body.children[at] ?? null);
    });
    for (const name of gone) {
      this.rows.get(name).row.remove();
      this.rows.delete(name);
    }
  }

  add({ name, cells }) {
    const [bar, mark, text] = [h("i", { class: "bar-fill" }), h("i", { class: "bar-mark" }), h("span", { class: "bar-text" })];
    const shown = { bar, mark, text, cells: cells.map((_, at) => h("td", { dataset: { label: this.columns[at + 2] } })) };
    const stage = h("div", { class: "bar-stage", "aria-hidden": "true" }, bar, mark);
    const cell = h("td", { class: "bar-cell" }, h("div", {}, stage, text));
    shown.row = h("tr", {}, h("th", { scope: "row" }, name), cell, shown.cells);
    this.rows.set(name, shown);
    return shown;
  }
}
