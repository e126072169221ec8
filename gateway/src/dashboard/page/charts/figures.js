// A row of figures with their names.

import { h } from "../ui/h.js";
import { set } from "./drawing.js";

/** Figures by their names, each with what says it from something: `[["Requests", (store) => "12/s"], …]`. */
export class Figures {
  constructor(figures) {
    this.figures = figures.map(([name, say]) => ({ name, say, value: h("dd") }));
    const entries = this.figures.map(({ name, value }) => h("div", {}, h("dt", {}, name), value));
    this.element = h("section", { class: "section" }, h("dl", { class: "figures" }, entries));
  }

  /** Says them. */
  show(from) {
    for (const { say, value } of this.figures) set(value, { text: say(from) });
  }
}
