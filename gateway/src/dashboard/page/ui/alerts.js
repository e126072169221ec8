// The strip of alerts that are raised: what is wrong now, above every panel.

import { since } from "./format.js";
import { h, keyed, setText } from "./h.js";
import { icon } from "./icons.js";

const WORST_FIRST = ["Critical", "Warning", "Info"];
/** How many are shown; the others are counted. */
const SHOWN_MAX = 3;

/** The strip; it isn't there while nothing is wrong. */
export function alertStrip(store) {
  const list = h("ul", { class: "alerts", "aria-live": "polite", "aria-label": "Alerts" });
  const others = h("p", { class: "soft" });
  const element = h("section", { class: "alert-strip", hidden: true, "aria-label": "Alerts", dataset: { part: "alerts" } }, list, others);

  // The times go on by the second; they are not announced.
  store.subscribe(["alerts", "at"], ({ alerts }) => {
    const active = [...alerts.values()].filter((alert) => alert.active);
    active.sort((a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity) || b.id - a.id);
    element.hidden = active.length === 0;
    keyed(list, active.slice(0, SHOWN_MAX), {
      key: (alert) => alert.id,
      make: (alert) => h("li", { class: alert.severity.toLowerCase() }, icon("warning"), h("strong", {}, alert.severity), h("span", { class: "words" }, h("strong", {}, alert.subject), " ", h("span", {})), h("time", { class: "soft", "aria-hidden": "true" })),
      update(row, alert) {
        setText(row.querySelector(".words span"), alert.words);
        setText(row.querySelector("time"), `for ${since(alert.since, store.now())}`);
      },
    });
    const left = active.length - SHOWN_MAX;
    setText(others, left > 0 ? `and ${left} more` : "");
  });
  return element;
}
