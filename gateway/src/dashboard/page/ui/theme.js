// Light, dark, or as the system has it: chosen here, kept in this browser. theme.js applies it before the page is painted.

import { h } from "./h.js";
import { icon } from "./icons.js";

const KEPT = "micronet.theme";
const CHOICES = [["light", "Light"], ["system", "As the system"], ["dark", "Dark"]];

/** The switch; there may be several, which show the same. */
export function themeSwitch() {
  const buttons = CHOICES.map(([name, words]) =>
    h("button", { type: "button", title: words, "aria-label": words, dataset: { theme: name }, on: { click: () => choose(name) } }, icon(name)));
  const group = h("div", { class: "segments theme", role: "group", "aria-label": "Colours" }, buttons);
  mark(group);
  return group;
}

function choose(name) {
  if (name === "system") {
    localStorage.removeItem(KEPT);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(KEPT, name);
    document.documentElement.dataset.theme = name;
  }
  for (const group of document.querySelectorAll(".theme")) mark(group);
  window.dispatchEvent(new Event("themechange"));
}

function mark(group) {
  const chosen = document.documentElement.dataset.theme ?? "system";
  for (const button of group.children) button.setAttribute("aria-pressed", String(button.dataset.theme === chosen));
}
