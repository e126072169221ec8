// A counter of the gateway's metrics page by its labels: how much it grew while somebody looked.

/** Readings that are kept: so far back reaches what is shown. */
const READINGS = 30;

/** A family of counters. */
export class Counted {
  constructor(family) {
    this.family = family;
    this.readings = [];
  }

  /** Takes a page of metrics as it was at a time (in seconds). */
  read(page, at_s) {
    const counts = new Map();
    for (const line of page.split("\n")) {
      if (!line.startsWith(`${this.family}{`)) continue;
      const end = line.lastIndexOf("}");
      counts.set(line.slice(this.family.length + 1, end), Number(line.slice(end + 1)));
    }
    // A process that began anew counts from nothing.
    const last = this.readings.at(-1)?.counts ?? new Map();
    if ([...last].some(([labels, count]) => (counts.get(labels) ?? 0) < count)) this.readings = [];
    this.readings = [...this.readings, { at_s, counts }].slice(-READINGS);
  }

  /**
   * What `name` makes of the labels, with what belongs to each: `[{ name, per_s, percent, total }]`, the greatest first. With one reading
   * only, percentages are those of all.
   */
  by(name) {
    const [first, last] = [this.readings[0], this.readings.at(-1)];
    if (!last) return [];
    const passed_s = last.at_s - first.at_s;
    const found = new Map();
    for (const [labels, total] of last.counts) {
      const key = name(labelsOf(labels));
      const entry = found.get(key) ?? { name: key, grown: 0, total: 0 };
      entry.total += total;
      entry.grown += total - (first.counts.get(labels) ?? 0);
      found.set(key, entry);
    }
    const entries = [...found.values()];
    const grown = entries.reduce((sum, entry) => sum + entry.grown, 0);
    const all = entries.reduce((sum, entry) => sum + entry.total, 0);
    for (const entry of entries) {
      entry.per_s = passed_s > 0 ? entry.grown / passed_s : NaN;
      entry.percent = grown > 0 ? (entry.grown / grown) * 100 : all > 0 ? (entry.total / all) * 100 : 0;
    }
    return entries.sort((a, b) => b.grown - a.grown || b.total - a.total);
  }
}

/** `{ endpoint, method, … }` of `endpoint="/products",method="GET"`. */
function labelsOf(text) {
  const labels = {};
  for (const [, label, value] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[label] = value.replace(/\\(.)/g, "$1");
  return labels;
}
