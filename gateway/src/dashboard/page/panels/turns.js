// A run that gives each algorithm its turn on a service, and sets what was chosen before at its end, however that comes.

/** How long an algorithm has its turn, and how long of that it gets to know the instances before it is measured, in seconds. */
export const TURN_S = 15;
const WARM_UP_S = 3;

/** A run. What is measured goes to `windows`. */
export class Turns {
  constructor({ api, service, before, windows }) {
    Object.assign(this, { api, service, before, windows });
    this.stopped = false;
    this.leave = () => this.restore();
    window.addEventListener("pagehide", this.leave);
  }

  /** Gives each of these its turn, until it is stopped; `tell(algorithm, number, left_s)` hears how far it is. */
  async run(algorithms, tell) {
    this.windows.forget(this.service);
    try {
      for (const [at, algorithm] of algorithms.entries()) {
        await this.set(algorithm);
        this.windows.skip(this.service, WARM_UP_S);
        for (let left_s = TURN_S; left_s > 0 && !this.stopped; left_s -= 1) {
          tell(algorithm, at + 1, left_s);
          await new Promise((done) => setTimeout(done, 1000));
        }
        if (this.stopped) break;
      }
    } finally {
      await this.restore();
    }
  }

  stop() {
    this.stopped = true;
  }

  set(algorithm) {
    return this.api.put(`/api/v1/balancer/${encodeURIComponent(this.service)}`, { algorithm });
  }

  async restore() {
    if (!this.leave) return;
    window.removeEventListener("pagehide", this.leave);
    this.leave = null;
    this.stopped = true;
    this.windows.skip(this.service, WARM_UP_S);
    await this.set(this.before);
  }
}
