// How something is, as a word, a shape and a colour: each of them says it alone.

import { s } from "../ui/h.js";

/** Shapes within twelve pixels. */
const SHAPES = {
  disc: "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10Z",
  ring: "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10ZM6 3.2a2.8 2.8 0 1 1 0 5.6a2.8 2.8 0 1 1 0-5.6Z",
  half: "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10ZM6 3v6a3 3 0 1 1 0-6Z",
  triangle: "M6 .8L11.6 11H.4Z",
  diamond: "M6 0L12 6L6 12L0 6Z",
  cross: "M2.6.6L6 4L9.4.6L11.4 2.6L8 6L11.4 9.4L9.4 11.4L6 8L2.6 11.4L.6 9.4L4 6L.6 2.6Z",
  barred: "M6 0a6 6 0 1 0 0 12a6 6 0 1 0 0-12ZM2.4 4.8h7.2v2.4h-7.2Z",
  square: "M1.5 1.5h9v9h-9Z",
};

/** By state: `word`, `shape` and `look`, one of good, warn, bad and idle. `rank` orders them, the worst last. */
const STATES = {
  up: { word: "up", shape: "disc", look: "good", rank: 0 },
  running: { word: "running", shape: "disc", look: "good", rank: 0 },
  joining: { word: "joining", shape: "ring", look: "idle", rank: 2 },
  starting: { word: "starting", shape: "ring", look: "idle", rank: 2 },
  draining: { word: "draining", shape: "half", look: "idle", rank: 3 },
  stopping: { word: "stopping", shape: "half", look: "idle", rank: 3 },
  probing: { word: "probing", shape: "half", look: "warn", rank: 4 },
  suspect: { word: "suspect", shape: "triangle", look: "warn", rank: 5 },
  degraded: { word: "degraded", shape: "triangle", look: "warn", rank: 5 },
  ejected: { word: "ejected", shape: "diamond", look: "bad", rank: 6 },
  backing_off: { word: "backing off", shape: "cross", look: "bad", rank: 7 },
  crash_loop: { word: "crash loop", shape: "cross", look: "bad", rank: 8 },
  down: { word: "down", shape: "cross", look: "bad", rank: 8 },
  stopped: { word: "stopped", shape: "square", look: "bad", rank: 8 },
  blocked: { word: "blocked", shape: "barred", look: "bad", rank: 9 },
  unknown: { word: "unknown", shape: "ring", look: "idle", rank: 1 },
};

const key = (state) => String(state ?? "").replace(/([a-z])([A-Z])/g, "$1_$2").replace(/[\s-]+/g, "_").toLowerCase();

/** What is known of a state, however it is written: `Up`, `UP`, `BackingOff`. */
export const health = (state) => STATES[key(state)] ?? STATES.unknown;

/** The state of the feed's instance: of its process while that doesn't run, else as the gateway sees it. */
export const stateOf = ({ process, health: seen }) => (process && process !== "Running" ? process : (seen ?? process ?? "Unknown"));

/** A service whose instances are so: the state of all of them together. */
export function together(all, running = true) {
  if (!running && all.length === 0) return STATES.stopped;
  const good = all.filter(({ look }) => look === "good").length;
  if (good === all.length && good > 0) return STATES.up;
  if (good > 0) return STATES.degraded;
  return all.reduce((worst, each) => (each.rank > worst.rank ? each : worst), STATES.unknown);
}

/** How many are in which state, in words: "97 up, 2 ejected". */
export function tally(all) {
  const counts = new Map();
  for (const state of all) counts.set(state, (counts.get(state) ?? 0) + 1);
  const sorted = [...counts].sort(([a], [b]) => a.rank - b.rank);
  return sorted.map(([{ word }, count]) => `${count} ${word}`).join(", ");
}

/** The `d` of a state's shape. */
export const shapeOf = ({ shape }) => SHAPES[shape];

/** A state's shape as a small picture, to stand beside its word. */
export function sign(state) {
  const { look } = state;
  const path = s("path", { d: shapeOf(state), "fill-rule": "evenodd" });
  return s("svg", { class: `sign ${look}`, width: 12, height: 12, viewBox: "0 0 12 12", "aria-hidden": "true" }, path);
}
