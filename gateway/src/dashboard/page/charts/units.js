// Values in their units, and marks of axes.

import { bytes, count, ms, percent, rate } from "../ui/format.js";

const WRITTEN = { count, per_s: rate, ms, bytes, percent, permille: (value) => percent(value / 10) };

/** A value in its unit: `count`, `per_s`, `ms`, `bytes`, `percent` or `permille`; a dash where nothing is known. */
export function written(value, unit) {
  return WRITTEN[unit](value === null || value === undefined ? NaN : Number(value));
}

/** A value of an entry of the feed: there is no latency where nothing was asked. */
export function known(entry, column) {
  return /^p\d+_ms$/.test(column) && !(entry.per_s > 0) ? null : entry[column];
}

/** A mark of an axis: the same, without figures that are all zero. */
export function marked(value, unit) {
  return written(value, unit).replace(/\.(\d*?)0+(?=\D|$)/, (_, rest) => (rest ? `.${rest}` : ""));
}

const pad = (part) => String(part).padStart(2, "0");

/** The time of day of so many seconds since 1970, without seconds where `short`. */
export function timeOf(at_s, short = false) {
  const at = new Date(at_s * 1000);
  const parts = [at.getHours(), at.getMinutes(), at.getSeconds()];
  return parts.slice(0, short ? 2 : 3).map(pad).join(":");
}
