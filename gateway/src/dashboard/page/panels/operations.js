// Data operations: users, products and orders, as the services have them, through the gateway.

import { link, navigate } from "../router.js";
import { h, show } from "../ui/h.js";
import { orders } from "./operations/orders.js";
import { products } from "./operations/products.js";
import { resource } from "./operations/resource.js";
import { users } from "./operations/users.js";

const KINDS = [users, products, orders];

/** Shows one kind of data, as the address names it. */
export function mount(element, context) {
  const chosen = KINDS.find((kind) => kind.name === context.route.parts[0]) ?? KINDS[0];
  const tabs = h("div", { class: "segments tabs", role: "tablist", "aria-label": "Data", on: { keydown: arrows } }, KINDS.map((kind) =>
    h("button", {
      type: "button", role: "tab", id: `tab-${kind.name}`, "aria-selected": String(kind === chosen), "aria-controls": "data",
      tabindex: kind === chosen ? "0" : "-1", dataset: { kind: kind.name }, on: { click: () => choose(kind.name) },
    }, kind.title)));
  const body = h("div", { id: "data", class: "stack", role: "tabpanel", "aria-labelledby": `tab-${chosen.name}` });
  show(element, tabs, body);
  if (chosenByKey) tabs.querySelector("[aria-selected=true]").focus();
  chosenByKey = false;
  return resource(body, chosen, context);
}

/** Tabs are chosen by arrow keys too, and keep the focus then. */
let chosenByKey = false;

function arrows(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const at = KINDS.findIndex((kind) => kind.name === event.target.dataset.kind);
  chosenByKey = true;
  choose(KINDS[(at + step + KINDS.length) % KINDS.length].name);
}

function choose(name) {
  navigate(link("data", [name]));
}
