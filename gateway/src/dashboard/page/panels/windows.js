// What was measured of services under each algorithm: of the last quarter of an hour as the network remembers it, and then as it comes.

import { withQuery } from "../api.js";
import { instant } from "../ui/format.js";

/** How far back is asked, in seconds. */
const BACK_S = 900;
/** How the feed's events say that another algorithm was chosen. */
const CHANGE = /picked by (\w+), no longer by (\w+)/;

let watching = null;

/** The measurements of a store, from the first call on for as long as the page is open. */
export function watch(store, api) {
  watching ??= new Windows(store, api);
  return watching;
}

const none = (algorithm) => ({ algorithm, seconds: 0, requests: 0, errors: 0, p50: 0, p95: 0, p99: 0, worst: 0, fairness: 0, judged: 0 });

class Windows {
  constructor(store, api) {
    Object.assign(this, { store, api, began: store.now() });
    /** By service: sums by algorithm. */
    this.of = new Map();
    this.skipped = new Map();
    this.recalled = new Set();
    this.listeners = new Set();
    setInterval(() => this.tick(), 1000);
  }

  /** Calls back when there is more; what this returns ends that. */
  follow(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  tick() {
    if (this.store.connection.state !== "live") return;
    for (const entry of this.store.services.values()) {
      const skipped = this.skipped.get(entry.service) ?? 0;
      if (skipped > 0) this.skipped.set(entry.service, skipped - 1);
      else this.add(entry.service, entry.algorithm, entry);
    }
    this.tell();
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  /** Leaves out the next seconds of a service: what is measured in them belongs to nobody. */
  skip(service, seconds) {
    this.skipped.set(service, seconds);
  }

  /** Adds a second. One without a request counts for nothing but the time. */
  add(service, algorithm, { per_s, errors_per_s, p50_ms, p95_ms, p99_ms, fairness }) {
    if (!this.of.has(service)) this.of.set(service, new Map());
    const sums = this.of.get(service);
    if (!sums.has(algorithm)) sums.set(algorithm, none(algorithm));
    const sum = sums.get(algorithm);
    sum.seconds += 1;
    if (!(per_s > 0)) return;
    sum.requests += per_s;
    sum.errors += errors_per_s;
    sum.p50 += p50_ms * per_s;
    sum.p95 += p95_ms * per_s;
    sum.p99 += p99_ms * per_s;
    sum.worst = Math.max(sum.worst, p99_ms);
    if (fairness === undefined) return;
    sum.fairness += fairness * per_s;
    sum.judged += per_s;
  }

  /** Adds what the network remembers of a service from before this page looked, once. */
  async recall(service) {
    if (this.recalled.has(service) || !this.store.services.has(service)) return;
    this.recalled.add(service);
    try {
      const { data } = await this.api.get(withQuery("/api/v1/control/history", { service, since_s: BACK_S }));
      const chosen = this.chosenAt(service);
      for (const point of data.points) {
        const at = instant(point.at);
        if (at < this.began) this.add(service, chosen(at), point);
      }
      this.tell();
    } catch {
      this.recalled.delete(service);
    }
  }

  /** Which algorithm was chosen at a time, by the events of changes. */
  chosenAt(service) {
    const changes = [];
    for (const { kind, subject, words, at } of this.store.events) {
      const [, to, from] = kind === "Balancer" && subject === service ? (words.match(CHANGE) ?? []) : [];
      if (to) changes.push({ at: instant(at), from, to });
    }
    const now = this.store.services.get(service).algorithm;
    return (at) => changes.findLast((change) => change.at <= at)?.to ?? changes[0]?.from ?? now;
  }

  /** A service's algorithms, each with what was measured under it: `[{ algorithm, seconds, requests, per_s, … }]`, the least P99 first. */
  summary(service) {
    const mean = (of, count) => (count > 0 ? of / count : NaN);
    const rows = [...(this.of.get(service)?.values() ?? [])].map((sum) => ({
      algorithm: sum.algorithm, seconds: sum.seconds, requests: sum.requests, per_s: sum.requests / sum.seconds,
      error_percent: mean(sum.errors * 100, sum.requests), p50_ms: mean(sum.p50, sum.requests), p95_ms: mean(sum.p95, sum.requests),
      p99_ms: mean(sum.p99, sum.requests), worst_ms: sum.requests > 0 ? sum.worst : NaN, fairness: mean(sum.fairness, sum.judged),
    }));
    return rows.sort((a, b) => (a.p99_ms || Infinity) - (b.p99_ms || Infinity));
  }

  /** Forgets what was measured of a service. */
  forget(service) {
    this.of.delete(service);
  }
}
