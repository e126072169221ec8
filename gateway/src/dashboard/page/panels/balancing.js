// Load balancer analytics: by which algorithm a service is balanced and why, how its calls are distributed, and how algorithms compare.

import { Bars } from "../charts/bars.js";
import { Board } from "../charts/board.js";
import { Figures } from "../charts/figures.js";
import { known, written } from "../charts/units.js";
import { link } from "../router.js";
import { health, stateOf } from "../topology/health.js";
import { confirm } from "../ui/dialog.js";
import { busy } from "../ui/form.js";
import { h, keyed, setText, show } from "../ui/h.js";
import { toast } from "../ui/toast.js";
import { comparison } from "./comparison.js";
import { watch } from "./windows.js";

/** How often the gateway is asked for weights and shares of slow start, in milliseconds. */
const AGAIN_MS = 2_000;

const FIGURES = [
  ["Fairness", ({ fairness }) => (typeof fairness === "number" ? fairness.toFixed(3) : "–")],
  ["Requests", ({ per_s }) => written(per_s, "per_s")],
  ["Errors", ({ errors_per_s }) => written(errors_per_s, "per_s")],
  ["P50", (entry) => written(known(entry, "p50_ms"), "ms")],
  ["P99", (entry) => written(known(entry, "p99_ms"), "ms")],
  ["In flight", ({ in_flight }) => written(in_flight, "count")],
  ["Tried again", ({ retries }) => written(retries, "count")],
];

/** The one that has most to balance. */
function busiest(store) {
  const count = (service) => store.instancesOf(service).length;
  const calls = (service) => store.services.get(service).per_s ?? 0;
  const names = [...store.services.keys()].filter((name) => name !== "gateway" && name !== "control");
  return names.sort((a, b) => Number(count(b) > 1) - Number(count(a) > 1) || calls(b) - calls(a) || count(b) - count(a) || a.localeCompare(b))[0] ?? null;
}

/** Shows it until what this returns is called. `#/balancing/product` chooses a service. */
export function mount(element, context) {
  const { store, api, session, route } = context;
  const windows = watch(store, api);
  let chosen = route?.parts[0] ?? null;
  let standing = new Map();
  let board = null;

  const services = h("div", { class: "segments wraps", role: "group", "aria-label": "Service" });
  const figures = new Figures(FIGURES);
  const acting = h("p", { class: "acting" });
  const choice = h("select", { id: "balancing-algorithm" });
  const about = h("p", { class: "hint", id: "balancing-about" });
  const set = h("button", { type: "button", class: "primary", on: { click: change } }, "Apply");
  const control = h("div", { class: "filters", dataset: { part: "algorithm" } },
    h("div", { class: "field" }, h("label", { for: "balancing-algorithm" }, "Algorithm"), choice), set, about);
  const bars = new Bars({
    caption: "Distribution of calls",
    columns: ["Instance", "Share of its calls, the mark is what is fair", "Fair", "Weight", "Slow start", "Calls", "State"],
  });
  const words = h("p", { class: "hint" });
  const compared = comparison(context, windows, () => chosen);
  const stage = h("div", {});
  element.append(services, figures.element,
    h("section", { class: "section" }, h("h2", {}, "Algorithm"), acting, session.may("balancer:write") && control),
    h("section", { class: "section" }, h("h2", {}, "Distribution against the ideal"), bars.element, words),
    compared.element, stage);

  choice.addEventListener("change", describe);
  let algorithms = [];

  function describe() {
    setText(about, algorithms.find(({ name }) => name === choice.value)?.description ?? "");
  }

  async function change() {
    const [service, algorithm] = [chosen, choice.value];
    const sure = await confirm({ title: `Balance ${service} by ${algorithm}?`, words: `From the next call on: ${about.textContent}.`, button: "Apply" });
    if (!sure) return;
    await busy(set, async () => {
      try {
        await api.put(`/api/v1/balancer/${encodeURIComponent(service)}`, { algorithm });
        toast(`${service} is balanced by ${algorithm}`, "ok");
        await ask();
      } catch (error) {
        toast(error.message, "failed");
      }
    });
  }

  function choose(service) {
    chosen = service;
    standing = new Map();
    history.replaceState(null, "", link("balancing", [service]));
    if (board) board.show({ service }, `${service} over time`);
    draw();
    compared.draw();
    ask();
  }

  function draw() {
    const names = [...store.services.keys()].filter((name) => name !== "gateway").sort();
    if (names.length === 0) return;
    if (!names.includes(chosen)) chosen = busiest(store);
    keyed(services, names, {
      key: (name) => name,
      make: (name) => h("button", { type: "button", on: { click: () => choose(name) } }, name),
      update: (button, name) => button.setAttribute("aria-pressed", String(name === chosen)),
    });
    const entry = store.services.get(chosen);
    if (!entry) return;
    board ??= begin();
    figures.show(entry);
    const [now, why] = entry.balancing.split(/: (.*)/s);
    const chose = entry.algorithm === now ? now : `${entry.algorithm}, which now acts as ${now}`;
    setText(acting, why ? `${chose}: ${why}` : chose);
    const own = store.instancesOf(chosen);
    bars.show(own.map(row));
    const idle = own.every(({ share_percent }) => !share_percent);
    setText(words, idle ? "Nobody has called it in the last minute."
      : "Shares are those of the last minute. A fair share is what the weight of an instance makes of those that get calls.");
  }

  function begin() {
    const measures = ["requests", "latency", "errors", "in_flight"];
    const made = new Board({ store, api, subject: { service: chosen }, title: `${chosen} over time`, measures });
    show(stage, made.element);
    return made;
  }

  function row(entry) {
    const state = health(stateOf(entry));
    const slow = standing.get(entry.instance)?.share_permille;
    return {
      name: entry.instance, percent: entry.share_percent, fair: entry.fair_percent,
      cells: [
        written(entry.fair_percent, "percent"), written(entry.weight, "count"),
        slow === undefined ? "–" : slow >= 1000 ? "whole" : written(slow, "permille"),
        written(entry.per_s, "per_s"), state.word,
      ],
    };
  }

  async function ask() {
    const service = chosen;
    if (!service) return;
    windows.recall(service);
    try {
      if (algorithms.length === 0) {
        ({ algorithms } = (await api.get("/api/v1/balancer")).data);
        show(choice, algorithms.map(({ name }) => h("option", { value: name }, name)));
        choice.value = store.services.get(service)?.algorithm ?? choice.value;
        describe();
      }
      if (!session.may("network:read")) return;
      const { data } = await api.get(`/api/v1/instances?service=${encodeURIComponent(service)}`);
      if (service === chosen) standing = new Map(data.services.flatMap((each) => each.instances).map((each) => [each.instance, each]));
    } catch {
      // It is asked again soon.
    }
  }

  const timer = setInterval(() => document.visibilityState === "visible" && ask(), AGAIN_MS);
  const unsubscribe = store.subscribe(["services", "instances"], draw);
  const unfollow = windows.follow(() => compared.draw());
  const first = store.subscribe("services", () => chosen && algorithms.length === 0 && ask());
  return () => {
    clearInterval(timer);
    for (const end of [unsubscribe, unfollow, first]) end();
    compared.end();
    board?.end();
  };
}
