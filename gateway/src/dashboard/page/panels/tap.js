// The live tap of the network: calls as they end, bounded at every step. What is too much to be shown is left out and counted.

import { openStream } from "../stream.js";

const PATH = "/ws/api/v1/control/tap";
/** Calls of one frame of the screen that are handed on; of more, some are picked evenly. */
const FRAME = 40;
/** Calls that wait for a frame. */
const WAITING = 400;

/** A tap. `heard(calls)` gets `[{ key, seen_by, record }]`, the oldest first, a few times a second; `state()` is called when it stands otherwise. */
export class Tap {
  constructor({ session, api }, { heard, state }) {
    Object.assign(this, { session, api, heard, told: state });
    Object.assign(this, { state: "connecting", words: "", passed_per_s: 0, left_out: 0, lost: 0 });
    Object.assign(this, { waiting: [], passed: 0, key: 0, turn: 0 });
    this.second = setInterval(() => this.count(), 1000);
    this.frame = setInterval(() => this.hand(), 250);
  }

  /** Listens to the calls of this filter (`RecordFilter`) from now on. */
  listen(filter) {
    const mine = (this.turn += 1);
    this.stream?.close();
    Object.assign(this, { waiting: [], passed: 0, passed_per_s: 0, left_out: 0, lost: 0 });
    const request = JSON.stringify({ filter: { calls: filter, messages: false } });
    this.stream = openStream({
      path: PATH, session: this.session, api: this.api,
      onMessage: (text) => mine === this.turn && this.take(text),
      onState: (state, words = "") => {
        // A stream before it ends late.
        if (mine !== this.turn) return;
        if (state === "open") this.stream.send(request);
        Object.assign(this, { state, words: words || WORDS[state] });
        this.told();
      },
    });
  }

  take(text) {
    const { seen_by, items, lost_calls } = JSON.parse(text);
    this.lost += lost_calls;
    for (const item of items) {
      const record = item.Call?.record ?? item.record;
      if (!record) continue;
      this.passed += 1;
      if (this.waiting.length >= WAITING) {
        this.left_out += 1;
        continue;
      }
      this.waiting.push({ key: (this.key += 1), seen_by, record });
    }
  }

  /** Hands on what waits; of too many, every so manieth. */
  hand() {
    if (this.waiting.length === 0 || document.visibilityState === "hidden") return;
    const all = this.waiting;
    this.waiting = [];
    const step = Math.max(1, all.length / FRAME);
    const picked = [];
    for (let at = 0; at < all.length; at += step) picked.push(all[Math.floor(at)]);
    this.left_out += all.length - picked.length;
    this.heard(picked);
  }

  count() {
    this.passed_per_s = this.passed;
    this.passed = 0;
    this.told();
  }

  /** Ends it. */
  end() {
    this.turn += 1;
    clearInterval(this.second);
    clearInterval(this.frame);
    this.stream?.close();
  }
}

const WORDS = {
  connecting: "connecting", waiting: "the connection was lost, and is tried again", refused: "this account may not listen (tap:read)", closed: "closed",
};
