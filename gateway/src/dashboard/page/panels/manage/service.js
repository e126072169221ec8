// One service: whether it runs, how calls are shared among its instances, and each of them.

import { ms, percent, rate, since } from "../../ui/format.js";
import { busy } from "../../ui/form.js";
import { h, keyed, setText, show, uniqueId } from "../../ui/h.js";
import { badge, instanceState, serviceState, setBadge } from "../../ui/state.js";
import { actionButton, doing } from "./actions.js";

const INSTANCES_MAX = 16;

/** The controls of a service: {element, update(service)}. `algorithms` may be filled later. */
export function serviceControls(service, context, algorithms) {
  const { api, store } = context;
  const id = uniqueId("service");
  const state = badge();
  const reason = h("p", { class: "soft" });
  const balancing = balancingControls(service, context, algorithms);
  const count = scaleControls(service, context);
  const list = h("ul", { class: "instances", "aria-label": `Instances of ${service}` });
  const isGateway = service === "gateway";
  const element = h("section", { class: "section service", "aria-labelledby": id, dataset: { service } },
    h("div", { class: "section-head" },
      h("div", {}, h("div", { class: "row" }, h("h2", { id }, service), state), reason),
      h("div", { class: "row service-actions" }, isGateway
        ? actionButton("restart", service, context)
        : [actionButton("fail", service, context), actionButton("recover", service, context, { words: "Recover Service" }), ...["start", "stop", "restart"].map((action) => actionButton(action, service, context))])),
    !isGateway && h("div", { class: "service-settings" }, balancing.element, count.element), list);

  return {
    element,
    update(of) {
      setBadge(state, serviceState(of));
      setText(reason, [of.reason, since(of.since, store.now())].filter(Boolean).join(", for "));
      const instances = store.instancesOf(service);
      balancing.update(of);
      count.update(instances.length);
      const isRunning = ({ process }) => process === "Running";
      offer(element.querySelector(".service-actions"), { start: !instances.every(isRunning), stop: instances.some(isRunning) });
      keyed(list, instances, { key: (instance) => instance.instance, make: (instance) => instanceRow(instance, context), update: updateRow });
    },
  };

  function instanceRow({ instance, service: of }) {
    const weight = h("input", { type: "number", min: 1, max: 10000, step: 1, "aria-label": `Weight of ${instance}`, class: "weight" });
    const set = h("button", { type: "submit" }, "Set");
    const weigh = async (event) => {
      event.preventDefault();
      await busy(set, () => doing(() => api.put(`/api/v1/control/processes/${instance}/weight`, { weight: Number(weight.value) }), `${instance} has the weight ${weight.value}`));
      weight.blur();
    };
    return h("li", { dataset: { instance } },
      h("div", { class: "instance-name" }, h("strong", {}, instance), badge()),
      h("p", { class: "soft instance-figures" }), h("p", { class: "instance-faults" }),
      of !== "gateway" && h("form", { class: "row weigh", on: { submit: weigh } }, h("span", { class: "soft" }, "Weight"), weight, set),
      of !== "gateway" && h("div", { class: "row instance-actions" },
        actionButton("fail", instance, context, { words: "Fail", look: "light" }), actionButton("recover", instance, context, { look: "light" }),
        ...["drain", "undrain", "start", "stop"].map((action) => actionButton(action, instance, context))));
  }

  function updateRow(row, instance) {
    const isRunning = instance.process === "Running";
    // Weight and rest are the operator's words too, and no faults.
    const isFailed = instance.health === "Blocked" || instance.process === "CrashLoop" || instance.faults.some((words) => !/^(weight|rests) /.test(words));
    setBadge(row.querySelector(".badge"), instanceState(instance));
    setText(row.querySelector(".instance-figures"), isRunning ? figures(instance) : instance.reason);
    setText(row.querySelector(".instance-faults"), instance.faults.join("; "));
    const weight = row.querySelector(".weight");
    if (!weight) return;
    if (document.activeElement !== weight) weight.value = instance.weight;
    const allowed = { fail: isRunning && instance.health !== "Blocked", recover: isFailed, drain: isRunning && instance.health !== "Draining", undrain: isRunning && instance.health === "Draining", start: !isRunning, stop: isRunning };
    offer(row, allowed);
  }
}

function figures({ per_s, p95_ms, share_percent, fair_percent, health }) {
  const share = health ? `, ${percent(share_percent)} of calls (${percent(fair_percent)} is fair)` : "";
  return `${rate(per_s)}${per_s ? `, P95 ${ms(p95_ms)}` : ""}${share}`;
}

/** Hides what can't be done now. A button that has the focus stays, so that nobody is thrown out by what they have just done. */
function offer(element, allowed) {
  for (const button of element.querySelectorAll("[data-action]")) {
    const isHeld = button === document.activeElement || button.getAttribute("aria-busy") === "true";
    if (!isHeld && button.dataset.action in allowed) button.hidden = !allowed[button.dataset.action];
  }
}

function balancingControls(service, { api }, algorithms) {
  const id = uniqueId("algorithm");
  const choice = h("select", { id, on: { change: chosen } });
  const acting = h("p", { class: "soft" });
  let current = "";

  async function chosen() {
    const algorithm = choice.value;
    const isDone = await busy(choice, () => doing(() => api.put(`/api/v1/balancer/${service}`, { algorithm }), `${service} is balanced by ${algorithm}`));
    if (isDone) current = algorithm;
    else choice.value = current;
  }

  return {
    element: h("div", { class: "field" }, h("label", { for: id }, "Balancing algorithm"), choice, acting),
    update({ algorithm, balancing }) {
      if (algorithms.length && choice.options.length !== algorithms.length) {
        show(choice, algorithms.map((of) => h("option", { value: of.name, title: of.description }, of.name)));
        current = "";
      }
      if (choice.options.length === 0 && algorithm) show(choice, h("option", { value: algorithm }, algorithm));
      if (algorithm !== current && document.activeElement !== choice) choice.value = current = algorithm;
      setText(acting, balancing ?? "");
    },
  };
}

function scaleControls(service, { api }) {
  const id = uniqueId("scale");
  const count = h("input", { id, type: "number", min: 1, max: INSTANCES_MAX, step: 1, class: "weight" });
  const set = h("button", { type: "submit", "aria-label": `Scale ${service}` }, "Scale");
  const scale = async (event) => {
    event.preventDefault();
    const wanted = Number(count.value);
    if (!count.reportValidity()) return;
    await busy(set, () => doing(() => api.post(`/api/v1/control/services/${service}/scale`, { count: wanted }), `${service} has ${wanted} instances`));
  };
  return {
    element: h("form", { class: "field", novalidate: true, on: { submit: scale } }, h("label", { for: id }, "Instances"), h("div", { class: "row nowrap" }, count, set)),
    update(instances) {
      if (document.activeElement !== count && !set.disabled) count.value = instances;
    },
  };
}
