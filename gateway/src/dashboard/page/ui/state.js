// States of services, instances and processes as badges: a word with a shape and a colour.

import { h, setText } from "./h.js";

// Of instances as the gateway sees them, and of processes.
const KINDS = {
  Up: "ok", Joining: "warn", Suspect: "warn", Probing: "warn", Ejected: "warn", Draining: "warn", Down: "bad", Blocked: "bad",
  Running: "ok", Starting: "warn", Stopping: "warn", BackingOff: "warn", CrashLoop: "bad", Stopped: "bad",
};

/** What a state is like: "ok", "warn", "bad" or "idle". */
export function kindOf(state) {
  return KINDS[state] ?? "idle";
}

/** The state of an instance: of its health with the gateway while its process runs, else of its process. */
export function instanceState({ process, health }) {
  const word = process === "Running" && health ? health : process;
  return { word: words(word), kind: kindOf(word) };
}

/** The state of a service: green while it runs, red while nobody can have it. */
export function serviceState({ running, status }) {
  return { word: status, kind: running ? (status === "RUNNING" ? "ok" : "warn") : "bad" };
}

/** `CrashLoop` as "Crash loop". */
export function words(name) {
  const spaced = String(name ?? "").replace(/([a-z])([A-Z])/g, (_, before, after) => `${before} ${after.toLowerCase()}`);
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** A badge, and how it is changed. */
export function badge({ word, kind } = { word: "", kind: "idle" }) {
  return h("span", { class: `badge ${kind}` }, word);
}

/** Shows another state in a badge. */
export function setBadge(element, { word, kind }) {
  const name = `badge ${kind}`;
  if (element.className !== name) element.className = name;
  setText(element, word);
}
