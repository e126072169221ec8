// Samples as the paths of SVG. A line breaks where nothing was measured; nothing is drawn that wasn't.

import { place } from "./drawing.js";

/** Pixels that a point of a line has for itself: closer ones are drawn as one. */
const POINT = 2.5;

/** Of values that are drawn as one: the greatest, where it's the worst that matters, or their mean. */
const GATHERED = {
  most: (values) => Math.max(...values),
  mean: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
};

/**
 * The runs of points from a time on without a gap between them: lists of `[x, y, …]`, a `y` for each of the columns. Samples that are
 * too close are gathered by spans of the clock, so that what is drawn doesn't depend on when it is.
 */
function runs(past, columns, { from_s, gap_s, x, y, gather }) {
  const span_s = Math.max(1e-9, POINT / (x(1) - x(0)));
  const found = [];
  let run = [];
  let bucket = null;
  const flush = () => {
    if (!bucket) return;
    run.push([x(bucket.sum / bucket.count), ...bucket.values.map((values) => y(GATHERED[gather](values)))]);
    bucket = null;
  };
  const finish = () => {
    flush();
    if (run.length > 0) found.push(run);
    run = [];
  };
  let last = -Infinity;
  for (let index = Math.max(0, past.indexFrom(from_s) - 1); index < past.length; index += 1) {
    const at = past.timeOf(index);
    const values = columns.map((column) => past.valueOf(index, column));
    if (values.some(Number.isNaN)) continue;
    if (at - last > gap_s) finish();
    const number = Math.floor(at / span_s);
    if (bucket?.number !== number) {
      flush();
      bucket = { number, sum: 0, count: 0, values: columns.map(() => []) };
    }
    bucket.sum += at;
    bucket.count += 1;
    values.forEach((value, column) => bucket.values[column].push(value));
    last = at;
  }
  finish();
  return found;
}

const through = (points, column) => points.map((point) => `${place(point[0])} ${place(point[column])}`).join("L");

/** A line through a column's values. A point alone is a short stroke, so that it is seen. */
export function linePath(past, column, how) {
  return runs(past, [column], how).map((run) => `M${through(run, 1)}${run.length === 1 ? "h1.5" : ""}`).join("");
}

/** The area between two columns. */
export function bandPath(past, lower, upper, how) {
  return runs(past, [lower, upper], how).map((run) => `M${through(run, 2)}L${through([...run].reverse(), 1)}Z`).join("");
}

/** The area between a column and zero. */
export function areaPath(past, column, how) {
  const bottom = place(how.y(0));
  return runs(past, [column], how).map((run) => {
    const [first, last] = [run[0], run[run.length - 1]].map(([x]) => place(x));
    return `M${first} ${bottom}L${through(run, 1)}L${last} ${bottom}Z`;
  }).join("");
}
