// What was measured of services under each algorithm while this page was open: a window for each stretch of time between changes.

/** Windows of a service that are kept, the oldest of them forgotten first. */
const WINDOWS = 24;

let watching = null;

/** The windows of a store, measured from the first call on for as long as the page is open. */
export function watch(store) {
  watching ??= new Windows(store);
  return watching;
}

/** A window: sums of what was measured in its seconds. Those without a request count for nothing but the time. */
function begun(algorithm, at) {
  return { algorithm, at, seconds: 0, requests: 0, errors: 0, p50: 0, p95: 0, p99: 0, worst: 0, fairness: 0 };
}

class Windows {
  constructor(store) {
    this.store = store;
    this.of = new Map();
    this.skipped = new Map();
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
    for (const entry of this.store.services.values()) this.add(entry);
    for (const listener of this.listeners) listener();
  }

  /** Leaves out the next seconds of a service: what is measured in them belongs to nobody. */
  skip(service, seconds) {
    this.skipped.set(service, seconds);
  }

  add({ service, balancing, per_s, errors_per_s, p50_ms, p95_ms, p99_ms, fairness }) {
    const skipped = this.skipped.get(service) ?? 0;
    if (skipped > 0) {
      this.skipped.set(service, skipped - 1);
      return;
    }
    const algorithm = balancing.split(":")[0];
    const windows = this.of.get(service) ?? [];
    let window = windows.at(-1);
    if (window?.algorithm !== algorithm) {
      window = begun(algorithm, this.store.now());
      this.of.set(service, [...windows, window].slice(-WINDOWS));
    }
    window.seconds += 1;
    if (per_s <= 0) return;
    window.requests += per_s;
    window.errors += errors_per_s;
    window.p50 += p50_ms * per_s;
    window.p95 += p95_ms * per_s;
    window.p99 += p99_ms * per_s;
    window.worst = Math.max(window.worst, p99_ms);
    window.fairness += fairness * per_s;
  }

  /** A service's algorithms, each with what was measured under it: `[{ algorithm, seconds, requests, per_s, … }]`, the least P99 first. */
  summary(service) {
    const added = new Map();
    for (const window of this.of.get(service) ?? []) {
      const sum = added.get(window.algorithm) ?? begun(window.algorithm, window.at);
      for (const column of ["seconds", "requests", "errors", "p50", "p95", "p99", "fairness"]) sum[column] += window[column];
      sum.worst = Math.max(sum.worst, window.worst);
      added.set(window.algorithm, sum);
    }
    const mean = (sum, of) => (sum.requests > 0 ? of / sum.requests : NaN);
    const rows = [...added.values()].map((sum) => ({
      algorithm: sum.algorithm, seconds: sum.seconds, requests: sum.requests, per_s: sum.requests / sum.seconds,
      error_percent: mean(sum, sum.errors * 100), p50_ms: mean(sum, sum.p50), p95_ms: mean(sum, sum.p95), p99_ms: mean(sum, sum.p99),
      worst_ms: sum.requests > 0 ? sum.worst : NaN, fairness: mean(sum, sum.fairness),
    }));
    return rows.sort((a, b) => (a.p99_ms || Infinity) - (b.p99_ms || Infinity));
  }

  /** Forgets what was measured of a service. */
  forget(service) {
    this.of.delete(service);
  }
}
