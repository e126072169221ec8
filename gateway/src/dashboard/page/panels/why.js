// Why a request went as it did: what became of it in words, where it went and when, and who was picked among whom.

import { written } from "../charts/units.js";
import { waterfall } from "../charts/waterfall.js";
import { link } from "../router.js";
import { health, sign } from "../topology/health.js";
import { clock } from "../ui/format.js";
import { h, show } from "../ui/h.js";

const KINDS = [
  { kind: "queue", label: "waited for its handler" },
  { kind: "handler", label: "handler" },
  { kind: "credit", label: "waited for credit" },
  { kind: "write", label: "waited to be written" },
];

/** Asks again while nobody remembers it: it is remembered when it has ended. */
const AGAIN_MS = 1_500;
const TRIES = 4;

/** Shows a request by its id, or by that of its trace. */
export function showWhy(element, { api }, id) {
  let isOver = false;
  const body = h("div", { class: "why" }, h("p", { class: "soft", role: "status" }, "Asking all processes what they remember …"));
  element.append(h("p", { class: "back" }, h("a", { href: link("requests") }, "All requests")), body);

  async function ask(tries) {
    try {
      const { data } = await api.get(`/api/v1/control/requests/${encodeURIComponent(id)}`);
      if (isOver) return;
      if (data.hops.length === 0 && tries > 1) setTimeout(() => !isOver && ask(tries - 1), AGAIN_MS);
      show(body, data.hops.length === 0 ? unknown(data) : known(data));
    } catch (error) {
      if (!isOver) show(body, h("p", { class: "notice failed", role: "alert" }, error.message));
    }
  }

  ask(TRIES);
  return () => (isOver = true);
}

function unknown({ request_id, processes, silent }) {
  const far = processes.map(({ seen_by, memory: { all_since, notable_since } }) =>
    h("li", {}, `${seen_by} remembers everything since ${clock(all_since)}, failures and slow ones since ${clock(notable_since)}`));
  return [
    h("h2", {}, `Nobody remembers ${request_id}`),
    h("p", {}, "A request is remembered when it has ended; each answer has its id in X-Request-ID."),
    h("ul", { class: "list" }, far, silent.map((each) => h("li", {}, `${each} did not answer`))),
  ];
}

function known(why) {
  const told = why.processes.flatMap(({ seen_by, records }) => records.map((record) => ({ seen_by, record })));
  const shown = told.filter(({ record }) => record.kind === "Edge" || record.attempts.length > 0);
  shown.sort((a, b) => Date.parse(a.record.at) - Date.parse(b.record.at));
  return [
    h("section", { class: "section" },
      h("h2", {}, why.hops[0].what),
      h("p", { class: "soft" }, `${clock(why.at)} · request ${why.request_id} · trace ${why.trace_id}`),
      h("ul", { class: "outcome" }, why.outcome.map((words) => h("li", {}, words)))),
    h("section", { class: "section", dataset: { part: "waterfall" } }, h("h2", {}, "Where it went"),
      waterfall(why.hops.map((hop) => row(hop, servedBy(hop, why))), { caption: "Where the request went, and when", kinds: KINDS })),
    shown.map(({ seen_by, record }) => account(seen_by, record)),
    why.silent.length > 0 && h("p", { class: "hint" }, `${why.silent.join(", ")} did not answer: what they remember is missing.`),
  ];
}

/** When the handler of a hop began, in microseconds after the request did, as its own process remembers that. */
function servedBy({ instance, what, after_us, took_us }, { at, processes }) {
  const records = processes.filter(({ seen_by }) => seen_by === instance).flatMap(({ records: own }) => own);
  const served = records.filter(({ kind, service, method }) => kind === "Served" && `${service}.${method}` === what);
  const begun = served.map((record) => micros(record.at) - micros(at)).filter((us) => us >= after_us && us <= after_us + took_us);
  return begun.length > 0 ? Math.min(...begun) : null;
}

/** Microseconds since 1970 of a timestamp, which a `Date` cuts to milliseconds. */
const micros = (timestamp) => Math.floor(Date.parse(timestamp) / 1000) * 1e6 + Number((timestamp.match(/\.(\d+)/)?.[1] ?? "0").padEnd(6, "0").slice(0, 6));

/** A hop as a row. Where nobody remembers when its handler began, what is no part of it was on the way, half of it before. */
function row({ depth, instance, what, after_us, took_us, code, words, ledger }, served_us) {
  const bad = code !== "OK";
  const parts = [];
  if (ledger) {
    const times = [["queue", ledger.receive_queue_us], ["handler", ledger.handler_us], ["credit", ledger.credit_wait_us], ["write", ledger.write_queue_us]];
    const within = times.reduce((sum, [, us]) => sum + us, 0);
    const begun_us = served_us === null ? after_us + (took_us - within) / 2 : served_us - ledger.receive_queue_us;
    let at_us = Math.max(after_us, Math.min(begun_us, after_us + took_us - within));
    for (const [kind, us] of times) {
      if (us > 0) parts.push({ kind, after_ms: at_us / 1000, took_ms: us / 1000 });
      at_us += us;
    }
  }
  const said = bad ? (words ? `${code}: ${words}` : code) : "";
  return { name: instance || "nobody", depth, note: what, after_ms: after_us / 1000, took_ms: took_us / 1000, bad, words: said, parts };
}

/** What a process tells of it: how it came, its limits, and each attempt with those who might have been picked. */
function account(seen_by, record) {
  const { http, from, principal, limits, cache, attempts, service, method } = record;
  const called = `${service}.${method}`;
  const facts = [
    http && ["Route", http.route ? `${http.route} → ${called}` : "none"],
    http && ["From", `${from || "unknown"} as ${principal}${http.tls ? ", over TLS" : ""}`],
    limits.length > 0 && ["Limits", limits.map(limited).join("; ")],
    cache && ["Cache", cache.toLowerCase()],
  ].filter(Boolean);
  const title = http ? `At ${seen_by}: ${http.method} ${http.target}` : `At ${seen_by}, which called ${called}`;
  return h("section", { class: "section", dataset: { part: "account" } }, h("h2", {}, title),
    h("dl", { class: "pairs" }, facts.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])),
    attempts.map((attempt, at) => attempted(attempt, at, attempts.length)));
}

const limited = ({ name, left, burst, refused }) =>
  `${name}: ${written(left, "count")} of ${written(burst, "count")} left${refused ? ", refused" : ""}`;

function attempted(attempt, at, count) {
  const { instance, algorithm, candidates, candidates_count, code, took_us, words, probe } = attempt;
  const picked = `${instance ?? "nobody"} of ${candidates_count} by ${algorithm}${probe ? ", to see whether it answers again" : ""}`;
  const title = count > 1 ? `Attempt ${at + 1}: ${picked}` : `Picked ${picked}`;
  const head = ["Instance", "State", "In flight", "Mean", "Peak", "Weight", "Slow start", "Score", "Why not"];
  const rows = candidates.map((each) => h("tr", { class: each.instance === instance ? "picked" : null },
    h("th", { scope: "row" }, each.instance, each.instance === instance && h("span", { class: "badge ok" }, "picked")),
    h("td", {}, sign(health(each.state)), ` ${health(each.state).word}`),
    h("td", { class: "number" }, written(each.in_flight, "count")),
    h("td", { class: "number" }, each.mean_us ? written(each.mean_us / 1000, "ms") : "–"),
    h("td", { class: "number" }, each.peak_us ? written(each.peak_us / 1000, "ms") : "–"),
    h("td", { class: "number" }, written(each.weight, "count")),
    h("td", { class: "number" }, each.share_permille < 1000 ? written(each.share_permille, "permille") : "whole"),
    h("td", { class: "number" }, each.score ? written(each.score, "count") : "–"),
    h("td", {}, each.excluded || "–")));
  const heads = head.map((text, column) => h("th", { scope: "col", class: column >= 2 && column <= 7 ? "number" : null }, text));
  return h("div", { class: "attempt" },
    h("h3", {}, title), h("p", {}, `${code} after ${written(took_us / 1000, "ms")}${words ? `: ${words}` : ""}`),
    rows.length > 0 && h("div", { class: "scroll", role: "region", "aria-label": `Candidates of ${title}`, tabindex: "0" },
      h("table", { class: "candidates" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows))),
    rows.length > 0 && rows.length < candidates_count && h("p", { class: "hint" }, "Where nothing went wrong, only the one that was picked is remembered."));
}
