// What was measured, second by second: a ring that forgets the oldest, and knows where nothing was measured.

/** Samples with named columns, in the order of their time; at most `capacity` of them. */
export class Past {
  constructor(columns, capacity) {
    this.columns = columns;
    this.capacity = capacity;
    this.at = new Float64Array(capacity);
    this.values = new Map(columns.map((name) => [name, new Float32Array(capacity)]));
    this.begin = 0;
    this.length = 0;
  }

  /** Adds what was measured at a time (in seconds). One of the same second replaces it; an older one is left out. */
  add(at_s, sample) {
    const last = this.length > 0 ? this.timeOf(this.length - 1) : -Infinity;
    if (at_s < last) return;
    if (at_s > last) {
      if (this.length === this.capacity) this.begin = (this.begin + 1) % this.capacity;
      else this.length += 1;
    }
    const place = (this.begin + this.length - 1) % this.capacity;
    this.at[place] = at_s;
    for (const name of this.columns) {
      const value = sample[name];
      this.values.get(name)[place] = value === null || value === undefined ? NaN : Number(value);
    }
  }

  clear() {
    this.begin = 0;
    this.length = 0;
  }

  /** The time of the n-th sample. */
  timeOf(index) {
    return this.at[(this.begin + index) % this.capacity];
  }

  /** A value of the n-th sample; NaN where it wasn't measured. */
  valueOf(index, column) {
    return this.values.get(column)[(this.begin + index) % this.capacity];
  }

  /** The first sample that isn't before a time; `length` if there is none. */
  indexFrom(at_s) {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.timeOf(middle) < at_s) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The sample nearest to a time, within so many seconds; -1 if there is none. */
  nearest(at_s, within_s) {
    const after = this.indexFrom(at_s);
    let best = -1;
    for (const index of [after - 1, after]) {
      if (index < 0 || index >= this.length) continue;
      const distance = Math.abs(this.timeOf(index) - at_s);
      if (distance <= within_s && (best < 0 || distance < Math.abs(this.timeOf(best) - at_s))) best = index;
    }
    return best;
  }

  /** The greatest value of a column from a time on; 0 if there is none. */
  greatest(column, from_s) {
    let greatest = 0;
    for (let index = this.indexFrom(from_s); index < this.length; index += 1) {
      const value = this.valueOf(index, column);
      if (value > greatest) greatest = value;
    }
    return greatest;
  }
}
