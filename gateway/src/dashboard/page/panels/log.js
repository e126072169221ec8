// The activity log: what happened in the network, and who did it. It can be filtered and paused, and follows what comes.

import { EVENTS_MAX } from "../store.js";
import { link } from "../router.js";
import { clock, count, instant } from "../ui/format.js";
import { segments } from "../ui/form.js";
import { h, keyed, setText, show } from "../ui/h.js";
import { icon } from "../ui/icons.js";
import { words } from "../ui/state.js";

/** Lines that are shown at once, and in the short form. */
const LINES_MAX = 300;
const SHORT_LINES = 8;
const SEVERITIES = [["", "All"], ["Warning", "Warnings"], ["Critical", "Critical"]];
const RANK = { Info: 0, Warning: 1, Critical: 2 };

/** Shows the log; with `short` in the context, its last lines only. */
export function mount(element, { store, session, short, route }) {
  const line = lineFor(session);
  return short ? mountShort(element, store, line) : mountWhole(element, store, route, line);
}

function mountShort(element, store, line) {
  const list = h("ol", { class: "log" });
  const none = h("p", { class: "empty" }, "Nothing has happened yet.");
  show(element, h("section", { class: "section" }, h("div", { class: "section-head" }, h("h2", {}, "Activity"), h("a", { href: link("log") }, "Whole log")), list, none));
  return store.subscribe("events", ({ events }) => {
    none.hidden = events.length > 0;
    draw(list, events.slice(-SHORT_LINES), line);
  });
}

function mountWhole(element, store, route, line) {
  let [text, kind, severity, frozen] = [route?.query.get("q") ?? "", "", "", null];
  const list = h("ol", { class: "log" });
  const box = h("div", { class: "log-box", role: "log", "aria-label": "Activity", "aria-live": "off", tabindex: "0" }, list);
  const none = h("p", { class: "empty" });
  const stand = h("p", { class: "soft", role: "status" });
  const kinds = h("select", { "aria-label": "Kind", on: { change: () => ((kind = kinds.value), refresh()) } });
  const search = h("input", { type: "search", "aria-label": "Filter", placeholder: "Filter by words, name or person", value: text, on: { input: () => ((text = search.value), refresh()) } });
  const pause = h("button", { type: "button", "aria-pressed": "false", on: { click: toggle } });
  show(element, h("section", { class: "section log-panel" },
    h("div", { class: "log-head" }, search, kinds, segments("Severity", SEVERITIES, severity, (value) => ((severity = value), refresh())), pause),
    stand, box, none));
  drawPause();

  function toggle() {
    frozen = frozen ? null : store.events;
    drawPause();
    refresh();
  }

  function drawPause() {
    pause.setAttribute("aria-pressed", String(frozen !== null));
    show(pause, icon(frozen ? "play" : "pause"), frozen ? "Follow" : "Pause");
  }

  function refresh() {
    const events = frozen ?? store.events;
    const found = events.filter(fits);
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    drawKinds(events);
    draw(list, found.slice(-LINES_MAX), line);
    none.hidden = found.length > 0;
    setText(none, events.length ? "Nothing fits the filter." : "Nothing has happened yet.");
    const missed = frozen ? store.events.length - store.events.indexOf(frozen.at(-1)) - 1 : 0;
    setText(stand, [
      `${count(found.length)} of the last ${count(events.length)}${events.length === EVENTS_MAX ? " (older ones are forgotten)" : ""}`,
      frozen && `paused, ${count(missed)} newer`, store.lost > 0 && `${count(store.lost)} not told`,
    ].filter(Boolean).join(" · "));
    if (!frozen && isAtEnd) box.scrollTop = box.scrollHeight;
  }

  function drawKinds(events) {
    const there = ["", ...new Set([...events.map((event) => event.kind), kind].filter(Boolean))];
    keyed(kinds, there, { key: (of) => of || "all", make: (of) => h("option", { value: of }, of ? kindWords(of) : "All kinds") });
    kinds.value = kind;
  }

  function fits(event) {
    if (kind && event.kind !== kind) return false;
    if (severity && (RANK[event.severity] ?? 0) < RANK[severity]) return false;
    const wanted = text.trim().toLowerCase();
    return !wanted || [event.subject, event.words, event.who, event.kind].some((part) => part?.toLowerCase().includes(wanted));
  }

  return store.subscribe(["events", "lost"], refresh);
}

function draw(list, events, line) {
  keyed(list, events, { key: (event) => event.id, make: line });
}

/** What this page notes itself is of the kind `Here`. */
function kindWords(kind) {
  return kind === "Here" ? "This page" : words(kind);
}

/** Makes lines; who may look into requests is led to those by which something was done. */
function lineFor(session) {
  const looksInto = session.may("tap:read");
  const own = `user/${session.account?.id}`;
  return ({ at, kind, severity, subject, words: what, who, request_id: request }) => h("li", { class: severity.toLowerCase() },
    h("time", { datetime: new Date(instant(at)).toISOString() }, clock(at)),
    h("span", { class: "kind" }, severity === "Info" ? kindWords(kind) : `${kindWords(kind)} · ${severity.toLowerCase()}`),
    h("span", { class: "what" }, subject && !what.startsWith(subject) && [h("strong", {}, subject), " "], what,
      who && !what.includes(who) && h("span", { class: "soft" }, ` by ${who === own ? session.name : who}`),
      request && looksInto && [" ", h("a", { href: link("requests", [request]), "aria-label": `Why: request ${request}` }, "why")]));
}
