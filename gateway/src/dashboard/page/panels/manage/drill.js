// The start of a drill: something is broken on purpose under load. What comes of it is shown by the drills' own panel.

import { link } from "../../router.js";
import { field, form } from "../../ui/form.js";
import { h, keyed } from "../../ui/h.js";
import { toast } from "../../ui/toast.js";

const KINDS = [
  ["KillInstance", "Kill an instance"], ["Stall", "Stall an instance"], ["Partition", "Cut an instance off"], ["Slow", "Slow an instance down"], ["DependencyDown", "Take a dependency down"],
];

/** The form: {element, update(services)}. */
export function drillForm({ api, navigate }) {
  const service = field({ name: "service", label: "Service", options: [] });
  const fields = [h("div", { class: "form-row" },
    field({ name: "kind", label: "Drill", options: KINDS }), service,
    field({ name: "load_per_s", label: "Load (requests a second)", type: "number", min: 1, max: 2000, step: 1, value: "200" }),
    field({ name: "duration_s", label: "Fault lasts (seconds)", type: "number", min: 1, max: 300, step: 1, value: "10" })),
  h("label", { class: "check" }, h("input", { type: "checkbox", name: "force" }), "Also where the last healthy instance, or more than half of them, would be lost")];
  const element = h("section", { class: "section", "aria-label": "Drill" },
    h("div", { class: "section-head" }, h("h2", {}, "Failure drill"), h("p", {}, "Breaks something under load, measures what callers notice, and mends it.")),
    form({ fields, button: "Start drill", kind: "danger", submit: start, dataset: { form: "drill" } }));

  async function start(values) {
    const { data } = await api.post("/api/v1/control/drills", values);
    toast(`Drill ${data.id} has begun`, "ok");
    navigate(link("drills", [data.id]));
  }

  return {
    element,
    update(services) {
      const select = service.querySelector("select");
      const chosen = select.value || "product";
      const names = services.map((of) => of.service).filter((name) => name !== "gateway");
      keyed(select, names, { key: (name) => name, make: (name) => h("option", { value: name }, name) });
      if (names.includes(chosen)) select.value = chosen;
    },
  };
}
