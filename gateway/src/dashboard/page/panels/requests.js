// Request explorer: what passes the network as it ends, and why one of them went as it did.

import { written } from "../charts/units.js";
import { link } from "../router.js";
import { clock, instant } from "../ui/format.js";
import { h, keyed, setText } from "../ui/h.js";
import { Tap } from "./tap.js";
import { showWhy } from "./why.js";

/** Requests that are kept; the oldest are forgotten. */
const KEPT = 500;
/** Those that are shown at once. */
const SHOWN = 100;

/** The list, or a request: `#/requests/ID`. */
export function mount(element, context) {
  const id = context.route?.parts[0];
  return id ? showWhy(element, context, id) : explore(element, context);
}

const HOW = [
  ["", "All"], ["failed", "Failed"], ["404", "404 Not found"], ["409", "409 Conflict"], ["429", "429 Too many"], ["503", "503 Unavailable"],
];
const SLOW = [["0", "Any"], ["10", "10 ms"], ["50", "50 ms"], ["200", "200 ms"], ["1000", "1 s"]];
const SIDE = [["Edge", "At the gateway"], ["Made", "Calls made"], ["Served", "Calls served"]];

function select(id, label, choices) {
  const input = h("select", { id }, choices.map(([value, words]) => h("option", { value }, words)));
  return { input, element: h("div", { class: "field" }, h("label", { for: id }, label), input) };
}

function explore(element, context) {
  const { store } = context;
  const side = select("requests-side", "What", SIDE);
  const service = select("requests-service", "Service", [["", "All services"]]);
  const how = select("requests-how", "Answer", HOW);
  const slow = select("requests-slow", "Slower than", SLOW);
  const pause = h("button", { type: "button", "aria-pressed": "false", on: { click: toggle } }, "Pause");
  const clear = h("button", { type: "button", on: { click: forget } }, "Clear");
  const status = h("p", { class: "soft" });
  const find = h("form", { class: "row find", on: { submit: open } },
    h("label", { for: "requests-id" }, "Request id"), h("input", { id: "requests-id", name: "id", placeholder: "id, as X-Request-ID says" }),
    h("button", { type: "submit" }, "Why?"));
  const body = h("tbody");
  const columns = ["Time", "Request", "Answer", "Took", "By", "On behalf of"];
  const table = h("table", { class: "requests" }, h("caption", { class: "visually-hidden" }, "Requests, the newest first"),
    h("thead", {}, h("tr", {}, columns.map((title) => h("th", { scope: "col", class: title === "Took" ? "number" : null }, title)))), body);
  const none = h("p", { class: "empty" }, "Nothing has passed yet that is asked for.");
  element.append(
    h("div", { class: "filters", dataset: { part: "filters" } }, side.element, service.element, how.element, slow.element, pause, clear),
    h("section", { class: "section" },
      h("div", { class: "section-head" }, status, find),
      h("div", { class: "tapped", role: "region", "aria-label": "Requests", tabindex: "0" }, table), none));

  let kept = [];
  let paused = false;
  let counted = 0;
  const tap = new Tap(context, { heard: draw, state: say });

  function filter() {
    const code = how.input.value;
    return {
      kind: side.input.value, service: service.input.value || undefined, failed: code === "failed",
      code: code && code !== "failed" ? code : undefined, slower_than_us: Number(slow.input.value) * 1000, one_in: 1,
    };
  }

  function choose() {
    forget();
    tap.listen(filter());
  }

  function forget() {
    kept = [];
    counted += 1;
    draw([]);
  }

  function toggle() {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    setText(pause, paused ? "Go on" : "Pause");
    if (!paused) draw([]);
    say();
  }

  function open(event) {
    event.preventDefault();
    const id = event.target.elements.id.value.trim();
    if (id) context.navigate(link("requests", [id]));
  }

  function say() {
    const { state, words, passed_per_s, left_out, lost } = tap;
    const parts = [
      state === "open" ? `${written(passed_per_s, "per_s")} pass` : words || state,
      paused && "paused: nothing new is shown",
      left_out > 0 && `${written(left_out, "count")} were too many to show`,
      lost > 0 && `${written(lost, "count")} were lost on the way`,
    ];
    setText(status, parts.filter(Boolean).join(" · "));
  }

  /** Shows more requests, at most once a frame. */
  function draw(fresh) {
    if (fresh.length > 0 && !paused) kept = [...fresh.reverse(), ...kept].slice(0, KEPT);
    say();
    if (paused && fresh.length > 0) return;
    none.hidden = kept.length > 0;
    keyed(body, kept.slice(0, SHOWN), { key: ({ key }) => `${counted}-${key}`, make: row });
  }

  const unsubscribe = store.subscribe("services", () => {
    const names = [...store.services.keys()].filter((name) => name !== "gateway").sort();
    keyed(service.input, ["", ...names], { key: (name) => name || "all", make: (name) => h("option", { value: name }, name || "All services") });
  });
  for (const { input } of [side, service, how, slow]) input.addEventListener("change", choose);
  tap.listen(filter());
  return () => {
    unsubscribe();
    tap.end();
  };
}

function row({ record, seen_by }) {
  const { http, request_id, service, method, took_us, at, code, principal, attempts, words } = record;
  const failed = http ? http.status >= 500 : code !== "OK";
  const what = http ? `${http.method} ${http.target}` : `${service}.${method}`;
  const by = http || attempts.length ? attempts.map(({ instance }) => instance ?? "nobody").join(", then ") : seen_by;
  const name = request_id ? h("a", { href: link("requests", [request_id]) }, what) : what;
  return h("tr", { class: failed ? "failed" : null },
    h("td", {}, clock(instant(at))), h("td", { class: "what" }, name),
    h("td", {}, http ? String(http.status) : code, words && h("span", { class: "soft" }, ` ${words}`)),
    h("td", { class: "number" }, written(took_us / 1000, "ms")), h("td", {}, by || "–"), h("td", { class: "soft" }, principal));
}
