// A card for each service: what it is called, whether it runs, what it speaks and where, how its instances are, and why.

import { NOTHING, count, ms, rate, since } from "../ui/format.js";
import { h, keyed, setText, show } from "../ui/h.js";
import { badge, instanceState, serviceState, setBadge } from "../ui/state.js";
import { link } from "../router.js";

/** Beyond so many instances a card shows those only that are not well. */
const INSTANCES_MAX = 6;

/** Shows the cards. */
export function mount(element, { store, session }) {
  const grid = h("ul", { class: "cards" });
  const none = h("p", { class: "empty", role: "status" }, "Waiting for the network to say how it is …");
  show(element, h("h2", { class: "visually-hidden" }, "Services"), grid, none);

  return store.subscribe(["services", "instances", "connection"], () => {
    const services = [...store.services.values()].sort(gatewayFirst);
    none.hidden = services.length > 0;
    keyed(grid, services, { key: (of) => of.service, make: (of) => card(of, session), update: (item, of) => update(item, of, store) });
  });
}

function gatewayFirst(a, b) {
  return (b.service === "gateway") - (a.service === "gateway") || a.service.localeCompare(b.service);
}

function card({ service }, session) {
  const manage = session.may("control:write") && service !== "gateway";
  const id = `card-${service}`;
  return h("li", { class: "card", "aria-labelledby": id, dataset: { service } },
    h("div", { class: "card-head" }, h("h3", { id }, service), badge()),
    h("p", { class: "card-where" }, h("span", { class: "tag", dataset: { part: "protocol" } }), " ", h("span", { class: "soft", dataset: { part: "port" } })),
    h("p", { class: "sorry", role: "alert" }),
    h("p", { class: "soft reason" }),
    h("ul", { class: "card-instances", "aria-label": "Instances" }), h("p", { class: "soft others" }),
    h("dl", { class: "card-figures" }, ["Requests", "P95", "Errors"].map((name) => h("div", {}, h("dt", {}, name), h("dd", { dataset: { figure: name } })))),
    manage && h("p", { class: "card-end" }, h("a", { href: link("manage", [], { service }) }, "Manage")));
}

function update(item, of, store) {
  const part = (name) => item.querySelector(`[data-part="${name}"]`);
  const figure = (name, text) => setText(item.querySelector(`[data-figure="${name}"]`), text);
  const state = serviceState(of);
  item.dataset.state = state.kind;
  setBadge(item.querySelector(".badge"), state);
  setText(part("protocol"), of.protocol);
  setText(part("port"), of.port ? `Port ${of.port}` : "No port");
  setText(item.querySelector(".sorry"), of.running ? "" : `Sorry, ${of.service} service is unavailable right now`);
  setText(item.querySelector(".reason"), [of.reason, since(of.since, store.now())].filter(Boolean).join(", for "));
  const all = store.instancesOf(of.service);
  const shown = all.length > INSTANCES_MAX ? all.filter((instance) => instanceState(instance).kind !== "ok").slice(0, INSTANCES_MAX) : all;
  setText(item.querySelector(".others"), shown.length < all.length ? `${shown.length ? "and " : ""}${count(all.length - shown.length)} more` : "");
  keyed(item.querySelector(".card-instances"), shown, {
    key: (instance) => instance.instance,
    make: (instance) => h("li", {}, h("span", {}, instance.instance), badge(), h("p", { class: "soft" })),
    update(row, instance) {
      const stands = instanceState(instance);
      setBadge(row.querySelector(".badge"), stands);
      setText(row.querySelector("p"), stands.kind === "ok" ? "" : `${instance.reason}, for ${since(instance.since, store.now())}`);
    },
  });
  figure("Requests", rate(of.per_s));
  figure("P95", of.per_s ? ms(of.p95_ms) : NOTHING);
  figure("Errors", of.errors_per_s ? rate(of.errors_per_s) : count(0));
}
