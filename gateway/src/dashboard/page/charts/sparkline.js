// A line of a few values, as small as a word.

import { s } from "../ui/h.js";
import { place, set } from "./drawing.js";
import { linear } from "./scale.js";

const SIZE = { width: 72, height: 20 };

/** A sparkline; it says nothing to a screen reader, since its last value stands beside it. */
export class Sparkline {
  constructor({ look = "line-1", width = SIZE.width, height = SIZE.height } = {}) {
    Object.assign(this, { width, height });
    this.line = s("path", { class: `chart-line ${look}` });
    this.element = s("svg", { class: "sparkline", width, height, "aria-hidden": "true" }, this.line);
  }

  /** Shows values, the newest last, of which `count` would fill it; NaN is a gap. `top` is what reaches to its edge. */
  show(values, count, top = Math.max(...values.filter((value) => !Number.isNaN(value)), 0)) {
    const x = linear([count - 1, 0], [this.width - 1, 1]);
    const y = linear([0, Math.max(top, 1e-9)], [this.height - 1.5, 1.5]);
    let pen = "M";
    const parts = [];
    values.forEach((value, at) => {
      if (Number.isNaN(value)) {
        pen = "M";
        return;
      }
      parts.push(`${pen}${place(x(count - values.length + at))} ${place(y(value))}`);
      pen = "L";
    });
    set(this.line, { d: parts.join("") });
  }
}
