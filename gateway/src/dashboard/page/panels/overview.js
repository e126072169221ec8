// The network at a glance: how it is doing, its services, and what happened last.

import { h, show } from "../ui/h.js";
import { mount as cards } from "./cards.js";
import { mount as log } from "./log.js";
import { figures } from "./figures.js";

/** Shows the overview. */
export function mount(element, context) {
  const services = h("div", {});
  const happened = h("div", {});
  const system = h("section", { class: "section system", "aria-label": "System information" });
  show(element, system, services, happened);
  const ends = [figures(system, context), cards(services, context), log(happened, { ...context, short: true })];
  return () => ends.forEach((end) => end());
}
