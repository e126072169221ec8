// Short words about what was just done, at the edge of the page. They are read out politely, and go by themselves unless they are errors.

import { h } from "./h.js";
import { icon } from "./icons.js";

const SHOWN_MS = 5_000;
const AT_ONCE_MAX = 3;

/** Where they appear. */
export const toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });

/** Shows words; `kind` is "ok", "failed" or "info". */
export function toast(words, kind = "info") {
  const element = h("div", { class: `toast ${kind}` }, icon(kind), h("p", {}, words),
    h("button", { type: "button", class: "quiet", "aria-label": "Dismiss", on: { click: () => element.remove() } }, icon("close")));
  while (toasts.children.length >= AT_ONCE_MAX) toasts.firstElementChild.remove();
  toasts.append(element);
  if (kind !== "failed") setTimeout(() => element.remove(), SHOWN_MS);
}
