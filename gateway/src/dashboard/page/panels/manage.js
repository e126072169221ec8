// Network management, for those who control it: each service with its instances, how calls are shared among them, and drills.

import { h, keyed, show } from "../ui/h.js";
import { drillForm } from "./manage/drill.js";
import { serviceControls } from "./manage/service.js";

/** Shows a section for each service. */
export function mount(element, context) {
  const { store, api, route } = context;
  const services = h("div", { class: "stack" });
  const none = h("p", { class: "empty", role: "status" }, "Waiting for the network to say how it is …");
  const drills = drillForm(context);
  const algorithms = [];
  let wanted = route.query.get("service");
  show(element, none, services, drills.element);
  load();

  async function load() {
    const answer = await api.get("/api/v1/balancer").catch(() => null);
    algorithms.push(...(answer?.data.algorithms ?? []));
    refresh();
  }

  const sections = new Map();
  function refresh() {
    const all = [...store.services.values()].sort((a, b) => a.service.localeCompare(b.service));
    none.hidden = all.length > 0;
    keyed(services, all, {
      key: (of) => of.service,
      make(of) {
        const section = serviceControls(of.service, context, algorithms);
        sections.set(of.service, section);
        return section.element;
      },
      update: (_, of) => sections.get(of.service).update(of),
    });
    drills.update(all);
    const section = wanted && sections.get(wanted)?.element;
    if (section?.isConnected) {
      wanted = null;
      section.scrollIntoView({ block: "start" });
    }
  }

  return store.subscribe(["services", "instances"], refresh);
}
