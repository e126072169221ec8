// From values to pixels, and round marks for axes.

/** What puts a value between two others at its place between two pixels. */
export function linear([from, to], [start, end]) {
  const factor = to === from ? 0 : (end - start) / (to - from);
  return (value) => start + (value - from) * factor;
}

/** A round step (1, 2 or 5 times a power of ten) that needs at most so many of itself to reach a value. */
export function roundStep(value, most) {
  const rough = value / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough * 0.999999);
}

/** The same for what is counted in powers of two, as bytes are. */
export const binaryStep = (value, most) => 2 ** Math.ceil(Math.log2(value / most) - 1e-9);

/** Round marks from zero up to one that is not less than a value: `{ step, top, marks }`. */
export function marksTo(value, most, round = roundStep) {
  const step = round(value, most);
  const count = Math.max(1, Math.ceil(value / step - 1e-9));
  const marks = Array.from({ length: count + 1 }, (_, at) => at * step);
  return { step, top: count * step, marks };
}

const STEPS_S = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

/** Round times of day between two, at most so many. */
export function timeMarks(from_s, to_s, most) {
  const step = STEPS_S.find((each) => (to_s - from_s) / each <= most) ?? STEPS_S[STEPS_S.length - 1];
  const marks = [];
  for (let at = Math.ceil(from_s / step) * step; at <= to_s; at += step) marks.push(at);
  return { step, marks };
}

/**
 * The top of an axis that doesn't jump: it grows at once, and shrinks only when less than half of it is used.
 * `least` is the top where there is next to nothing.
 */
export class Top {
  constructor(least, round = roundStep) {
    Object.assign(this, { least, round });
    this.top = 0;
  }

  of(value, most) {
    const wanted = marksTo(Math.max(value, this.least), most, this.round);
    if (wanted.top > this.top || value * 2 < this.top) this.top = wanted.top;
    return marksTo(this.top, most, this.round);
  }
}
