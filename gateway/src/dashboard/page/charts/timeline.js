// What was measured of one subject (all, a service or an instance) over a range: what the network remembers, and from then on the feed.

import { withQuery } from "../api.js";
import { instant } from "../ui/format.js";
import { Past } from "./past.js";
import { known } from "./units.js";

const COLUMNS = [
  "per_s", "errors_per_s", "p50_ms", "p95_ms", "p99_ms", "in_flight", "connections", "cpu_permille", "resident_bytes",
];
/** Up to so many seconds a second is a step; beyond, ten are. */
const BY_SECOND_S = 900;
const LONG_STEP_S = 10;
/** The network is asked for what was missed no oftener than this. */
const MISSED_S = 4;
/** How long it is given to remember what was just measured, in milliseconds. */
const AGAIN_MS = 2_500;

/** What is kept of an entry or a point: there is no latency where nothing was asked. */
const sampleOf = (entry) => Object.fromEntries(COLUMNS.map((column) => [column, known(entry, column)]));

/** The timeline of `subject`: `{}` for all, `{ service }`, or `{ instance }`. `changed()` is called when there is more to show. */
export class Timeline {
  constructor({ store, api, subject, range_s, changed }) {
    Object.assign(this, { store, api, subject, range_s, changed });
    this.past = new Past(COLUMNS, 1200);
    this.turn = 0;
    this.loaded_s = 0;
    this.timer = setInterval(() => this.tick(), 1000);
    this.load();
  }

  /** Shows another subject, or another range, from now on. */
  choose({ subject = this.subject, range_s = this.range_s }) {
    Object.assign(this, { subject, range_s });
    this.past.clear();
    this.load();
  }

  /** The stretch of time that is to be shown. */
  get span() {
    const to_s = Math.floor(this.store.now() / 1000);
    return { from_s: to_s - this.range_s, to_s, step_s: this.step_s };
  }

  get step_s() {
    return this.range_s > BY_SECOND_S ? LONG_STEP_S : 1;
  }

  get entry() {
    const { service, instance } = this.subject;
    const { store } = this;
    return instance ? store.instances.get(instance) : service ? store.services.get(service) : store.totals;
  }

  async load() {
    const mine = (this.turn += 1);
    this.loaded_s = Math.floor(this.store.now() / 1000);
    let points = [];
    try {
      const query = { ...this.subject, since_s: this.range_s };
      points = (await this.api.get(withQuery("/api/v1/control/history", query))).data.points;
    } catch {
      // What comes from now on is shown all the same.
    }
    if (mine === this.turn) this.join(points);
  }

  /** Puts what came meanwhile behind what the network remembers. */
  join(points) {
    const seen = this.step_s === 1 ? this.samples() : [];
    this.past.clear();
    for (const point of points) this.past.add(Math.floor(instant(point.at) / 1000), sampleOf(point));
    const end_s = this.last_s ?? Infinity;
    for (const { at_s, sample } of seen) this.past.add(at_s, sample);
    // The network may not remember the last seconds yet: it is asked for them again.
    const next_s = seen.find(({ at_s }) => at_s > end_s)?.at_s ?? -Infinity;
    const mine = this.turn;
    if (next_s - end_s > 1) setTimeout(() => mine === this.turn && this.load(), AGAIN_MS);
    this.changed();
  }

  /** The time of the last sample, if there is one. */
  get last_s() {
    return this.past.length > 0 ? this.past.timeOf(this.past.length - 1) : null;
  }

  samples() {
    return Array.from({ length: this.past.length }, (_, index) => {
      const sample = Object.fromEntries(COLUMNS.map((column) => [column, this.past.valueOf(index, column)]));
      return { at_s: this.past.timeOf(index), sample };
    });
  }

  tick() {
    if (document.visibilityState === "hidden") return;
    const now_s = Math.floor(this.store.now() / 1000);
    if (this.store.connection.state === "live") {
      const [due_s, waits_s] = this.step_s === 1 ? [2, MISSED_S] : [LONG_STEP_S, LONG_STEP_S];
      const isMissing = now_s - (this.last_s ?? now_s) > due_s;
      if (isMissing && now_s - this.loaded_s >= waits_s) this.load();
      // The feed tells the last whole second.
      if (this.step_s === 1 && this.entry) this.past.add(now_s - 1, sampleOf(this.entry));
    }
    this.changed();
  }

  /** Ends it. */
  end() {
    this.turn += 1;
    clearInterval(this.timer);
  }
}
