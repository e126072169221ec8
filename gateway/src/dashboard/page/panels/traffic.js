// Traffic analysis: what clients speak and where they are, what they ask for, how they were answered, and what the cache saved.

import { Bars } from "../charts/bars.js";
import { Figures } from "../charts/figures.js";
import { known, written } from "../charts/units.js";
import { h, setText, show } from "../ui/h.js";
import { table } from "../ui/table.js";
import { Counted } from "./counted.js";

/** How often the gateway is asked, in milliseconds. */
const AGAIN_MS = 2_000;
const ENDPOINTS = 12;

const CONNECTIONS = [
  ["HTTP connections", ({ connections }) => written(connections.http, "count")],
  ["RPC connections", ({ connections }) => written(connections.rpc, "count")],
  ["To instances", ({ connections }) => written(connections.to_instances, "count")],
  ["Requests lately", ({ lately }) => written(lately.per_s, "per_s")],
  ["Errors lately", ({ lately }) => `${written(lately.error_percent, "percent")}`],
  ["Answered from memory", ({ cache }) => written(cache.hit_percent, "percent")],
];

const CLASSES = { 1: "101, became a stream", 2: "2xx, done", 3: "3xx, elsewhere", 4: "4xx, the client's fault", 5: "5xx, failed" };

const share = ({ name, percent, lately, since_start }) =>
  ({ name, percent, cells: [written(lately.per_s, "per_s"), written(known(lately, "p95_ms"), "ms"), written(since_start.requests, "count")] });
const counted = ({ name, percent, per_s, total }) => ({ name, percent, cells: [written(per_s, "per_s"), written(total, "count")] });

/** Shows it until what this returns is called. */
export function mount(element, { api }) {
  const figures = new Figures(CONNECTIONS);
  const measured = (what) => new Bars({ caption: what, columns: [what, "Share of the last minute", "Rate", "P95", "In all"] });
  const counts = (what) => new Bars({ caption: what, columns: [what, "Share while you look", "Rate", "In all"] });
  const [protocols, regions] = [measured("Protocol"), measured("Region")];
  const [methods, statuses, endpoints] = [counts("Method"), counts("Answer"), counts("Endpoint")];
  const cache = h("dl", { class: "pairs" });
  const tcp = table({
    caption: "TCP that is passed through", key: ({ name, backend }) => `${name} ${backend}`, empty: "No TCP is passed through.",
    columns: [
      { title: "Port of", value: ({ name }) => name },
      { title: "Backend", value: ({ backend }) => backend },
      { title: "Open", number: true, value: ({ open }) => written(open, "count") },
      { title: "Connections", number: true, value: ({ total }) => written(total, "count") },
      { title: "Sent", number: true, value: ({ sent_bytes }) => written(sent_bytes, "bytes") },
      { title: "Received", number: true, value: ({ received_bytes }) => written(received_bytes, "bytes") },
    ],
  });
  const problem = h("p", { class: "notice failed", role: "status", hidden: true });
  const card = (title, ...content) => h("section", { class: "section" }, h("h2", {}, title), content);
  element.append(problem, figures.element,
    h("div", { class: "columns" }, card("What clients speak", protocols.element), card("Where they are", regions.element)),
    h("div", { class: "columns" }, card("How they ask", methods.element), card("How they were answered", statuses.element)),
    card("What they ask for", endpoints.element),
    h("div", { class: "columns" }, card("Response cache", cache), card("TCP ports", tcp.element)));

  const requests = new Counted("http_requests_total");

  function drawStats(stats) {
    figures.show(stats);
    protocols.show(stats.protocols.map(share), 100);
    regions.show(stats.regions.map(share), 100);
    const { hits, shared, misses, bypassed, entries, bytes } = stats.cache;
    const facts = [
      ["From memory", written(hits, "count")], ["By another's call", written(shared, "count")], ["By a call", written(misses, "count")],
      ["Not to be kept", written(bypassed, "count")], ["Answers kept", written(entries, "count")], ["They take", written(bytes, "bytes")],
    ];
    show(cache, facts.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
    tcp.update(stats.tcp.flatMap(({ name, backends }) => backends.map((each) => ({ ...each, name, backend: each.name }))));
  }

  function drawCounts() {
    methods.show(requests.by(({ method }) => method).map(counted), 100);
    statuses.show(requests.by(({ status }) => CLASSES[status[0]] ?? status).map(counted), 100);
    endpoints.show(requests.by(({ method, endpoint }) => `${method} ${endpoint}`).slice(0, ENDPOINTS).map(counted));
  }

  async function ask() {
    try {
      const [{ data }, page] = await Promise.all([api.get("/stats"), fetch("/metrics", { cache: "no-store" })]);
      drawStats(data);
      requests.read(await page.text(), performance.now() / 1000);
      drawCounts();
      problem.hidden = true;
    } catch (error) {
      problem.hidden = false;
      setText(problem, `What follows is old: ${error.message}`);
    }
  }

  ask();
  const timer = setInterval(() => document.visibilityState === "visible" && ask(), AGAIN_MS);
  return () => clearInterval(timer);
}
