// How the page stands with the network: a word in the head, and a banner when what is shown is old.

import { clock, duration } from "./format.js";
import { h, setText } from "./h.js";

const WORDS = {
  connecting: "Connecting", live: "Live", stale: "Stale", waiting: "Disconnected", refused: "No access", closed: "Disconnected",
};

/** The state in a word, for the head. */
export function connectionState(store) {
  const word = h("span", {});
  const element = h("p", { class: "connection", role: "status", dataset: { part: "connection" } }, h("span", { class: "dot", "aria-hidden": "true" }), word);
  store.subscribe("connection", ({ connection }) => {
    element.dataset.state = connection.state;
    setText(word, WORDS[connection.state] ?? connection.state);
  });
  return element;
}

/** The banner: what is shown is old, and of when it is. It changes its words by the second, but is announced once. */
export function connectionBanner(store) {
  const words = h("p", { role: "alert" });
  const age = h("p", { class: "age", "aria-hidden": "true" });
  const button = h("button", { type: "button", on: { click: () => store.again() } }, "Try now");
  const element = h("div", { class: "banner", hidden: true, dataset: { part: "stale" } }, h("div", {}, words, age), button);

  function draw() {
    const { state, words: why } = store.connection;
    const isOld = state === "stale" || state === "waiting" || state === "refused";
    element.hidden = !isOld;
    button.hidden = state !== "waiting";
    if (!isOld) return setText(words, "");
    if (state === "refused") setText(words, `Live data is not available: ${why}`);
    else if (!store.at) setText(words, why ? `There is no live data yet: ${why}` : "There is no live data yet. Trying again.");
    else setText(words, state === "stale" ? "Nothing new has come lately. What is shown may be old." : "The connection was lost. What is shown is old.");
    const of = store.at ? `As of ${clock(store.at)}, ${duration(store.silence())} ago.` : "";
    setText(age, of);
  }

  store.subscribe("connection", draw);
  setInterval(() => !element.hidden && draw(), 1000);
  return element;
}
