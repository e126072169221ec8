// Failure drills: something is broken on purpose under a steady load. Managers start and abort them; everybody who may look sees them live.

import { link } from "../router.js";
import { clock } from "../ui/format.js";
import { confirm } from "../ui/dialog.js";
import { field, form } from "../ui/form.js";
import { h, keyed, setText, show } from "../ui/h.js";
import { words } from "../ui/state.js";
import { toast } from "../ui/toast.js";
import { Drill } from "./drill.js";

const PATH = "/api/v1/control/drills";
/** How often a drill that is under way is looked at, in milliseconds. */
const AGAIN_MS = 1_000;

const KINDS = [
  ["KillInstance", "Kill an instance"], ["Stall", "Stall it (SIGSTOP)"], ["Partition", "Cut it off"],
  ["Slow", "Make it slow"], ["DependencyDown", "Cut off the whole service"],
];

const isOver = ({ state }) => ["Done", "Aborted", "Failed"].includes(state);

/** Shows them until what this returns is called. `#/drills/3` opens one. */
export function mount(element, { store, api, session, route }) {
  let chosen = route?.parts[0] ? Number(route.parts[0]) : null;
  let drills = [];
  let ended = false;
  const service = field({ name: "service", label: "Service", options: [] });
  const start = session.may("control:write") && begin();
  const list = h("ol", { class: "drill-list" });
  const none = h("p", { class: "empty" }, "No drill was run since this network started.");
  const problem = h("p", { class: "notice failed", role: "alert", hidden: true });
  const shown = new Drill({ abort: session.may("control:write") ? abort : null });
  element.append(problem, h("div", { class: "drill-columns" },
    h("div", { class: "drill-side" }, start && h("section", { class: "section", dataset: { part: "start" } }, h("h2", {}, "Start a drill"), start),
      h("section", { class: "section" }, h("h2", {}, "Drills"), list, none,
        h("p", { class: "hint" }, "A drill breaks something on purpose under a steady load, mends it, and tells what was lost and how soon it was noticed."))),
    shown.element));

  function begin() {
    return form({
      button: "Start", kind: "danger",
      fields: [
        field({ name: "kind", label: "What happens", options: KINDS }), service,
        field({ name: "load_per_s", label: "Load, requests a second", type: "number", value: 100, min: 1, max: 2000 }),
        field({ name: "duration_s", label: "For how long, in seconds", type: "number", value: 10, min: 1, max: 300 }),
      ],
      submit: async ({ kind, service: of, load_per_s, duration_s }) => {
        const wanted = { kind, service: of, load_per_s, duration_s };
        const what = KINDS.find(([name]) => name === kind)[1].toLowerCase();
        const sure = await confirm({
          title: `Break ${of} on purpose?`, button: "Start the drill", kind: "danger",
          words: `${load_per_s} requests a second are sent to it. After some quiet seconds: ${what}, for ${duration_s} s. `
            + "Then it recovers, and a report says what was lost.",
        });
        if (sure) await send(wanted);
      },
    });
  }

  async function send(wanted) {
    try {
      const { data } = await api.post(PATH, wanted);
      choose(data.id);
    } catch (error) {
      if (error.code !== "BEYOND_BLAST_RADIUS") throw error;
      const sure = await confirm({
        title: "That is more than the network can spare", words: `${error.message}. Do it all the same?`, button: "Do it all the same", kind: "danger",
      });
      if (sure) choose((await api.post(PATH, { ...wanted, force: true })).data.id);
    }
  }

  async function abort(id) {
    try {
      await api.delete(`${PATH}/${id}`);
      toast("The drill is aborted, and what was broken is mended", "ok");
      await ask();
    } catch (error) {
      toast(error.message, "failed");
    }
  }

  function choose(id) {
    chosen = id;
    history.replaceState(null, "", link("drills", [String(id)]));
    ask();
  }

  function draw() {
    none.hidden = drills.length > 0;
    keyed(list, [...drills].reverse(), {
      key: ({ id }) => id,
      make: ({ id }) => h("li", {},
        h("button", { type: "button", class: "quiet drill-entry", on: { click: () => choose(id) } }, h("strong", {}), h("span", { class: "soft" }))),
      update: (item, drill) => {
        const [button] = item.children;
        button.setAttribute("aria-pressed", String(drill.id === chosen));
        setText(button.children[0], drill.what);
        setText(button.children[1], `${clock(drill.began)} · ${isOver(drill) ? words(drill.report.grade) : words(drill.state)}`);
      },
    });
  }

  async function ask() {
    try {
      drills = (await api.get(PATH)).data.drills;
      if (ended) return;
      chosen ??= drills.at(-1)?.id ?? null;
      draw();
      if (chosen !== null && !shown.isOver(chosen)) shown.show((await api.get(`${PATH}/${chosen}`)).data);
      problem.hidden = true;
    } catch (error) {
      problem.hidden = false;
      setText(problem, error.message);
    }
  }

  const unsubscribe = store.subscribe("services", () => {
    const names = [...store.services.keys()].filter((name) => !["gateway", "control", "auth"].includes(name)).sort();
    const select = service.querySelector("select");
    const before = select.value || names.find((name) => name === "product");
    if (String(names) === String([...select.options].map(({ value }) => value))) return;
    show(select, names.map((name) => h("option", { value: name, selected: name === before }, name)));
  });
  ask();
  const timer = setInterval(() => document.visibilityState === "visible" && ask(), AGAIN_MS);
  return () => {
    ended = true;
    clearInterval(timer);
    unsubscribe();
    shown.end();
  };
}
