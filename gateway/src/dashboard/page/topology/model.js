// What the feed says, as a graph: the clients, the gateway, services with their instances, and who calls whom.

import { health, together } from "./health.js";

const sum = (all, of) => all.reduce((total, each) => total + (Number(of(each)) || 0), 0);
const byName = (a, b) => a.localeCompare(b, "en", { numeric: true });

/** The service of an instance's name, as `product` of `product-2`. */
const stem = (name) => name.replace(/-\d+$/, "");

/** A mean that is weighed by how often it was measured; null where nothing was. */
function weighed(links) {
  const rate = sum(links, ({ per_s }) => per_s);
  return rate > 0 ? sum(links, ({ per_s, mean_ms }) => per_s * mean_ms) / rate : null;
}

/**
 * The graph of `{ network, totals, services, instances, links }`, the last three being lists of the feed's entries:
 * `{ client, gateway, services: [{ id, name, …, instances }], links: [{ id, from, to, per_s, mean_ms, health }] }`.
 */
export function graphOf({ network = {}, totals = {}, services = [], instances = [], links = [] }) {
  const gateway = network.gateway?.instance ?? network.gateway ?? "gateway";
  const serviceOf = new Map(instances.map(({ instance, service }) => [instance, service]));
  const named = (from) => serviceOf.get(from) ?? stem(from);
  const shown = services.filter(({ service }) => service !== "gateway").map((entry) => {
    const own = instances.filter(({ service }) => service === entry.service);
    own.sort((a, b) => byName(a.instance, b.instance));
    return {
      id: `service:${entry.service}`,
      name: entry.service,
      entry,
      health: together(own.map(({ state }) => state), entry.running !== false),
      instances: own.map((each) => ({
        id: `instance:${each.instance}`, name: each.instance, entry: each, health: health(each.state),
      })),
    };
  });
  shown.sort((a, b) => byName(a.name, b.name));
  const node = new Map(shown.map((service) => [service.name, service]));
  return {
    client: { id: "client", name: "Clients", connections: totals.connections },
    gateway: { id: "gateway", name: String(gateway), entry: totals, health: health("up") },
    services: shown,
    links: [
      { id: "client>gateway", from: "client", to: "gateway", per_s: totals.per_s, mean_ms: totals.p50_ms, health: health("up") },
      ...shown.map((service) => fromGateway(service, links, named)),
      ...between(links, named, node),
    ],
  };
}

function fromGateway(service, links, named) {
  const own = links.filter(({ from, to_service }) => to_service === service.name && named(from) === "gateway");
  const measured = own.length > 0;
  return {
    id: `gateway>${service.id}`,
    from: "gateway",
    to: service.id,
    per_s: measured ? sum(own, ({ per_s }) => per_s) : service.entry.per_s,
    mean_ms: measured ? weighed(own) : service.entry.p50_ms,
    health: service.health,
  };
}

function between(links, named, node) {
  const pairs = new Map();
  for (const link of links) {
    const from = named(link.from);
    if (from === link.to_service || !node.has(from) || !node.has(link.to_service)) continue;
    const pair = `${from}>${link.to_service}`;
    pairs.set(pair, [...(pairs.get(pair) ?? []), link]);
  }
  return [...pairs].map(([pair, own]) => {
    const [from, to] = pair.split(">").map((name) => node.get(name));
    return {
      id: `${from.id}>${to.id}`, from: from.id, to: to.id, per_s: sum(own, ({ per_s }) => per_s), mean_ms: weighed(own), health: to.health,
    };
  });
}

/** What the picture's places depend on; figures aren't in it. */
export function structureOf(graph) {
  const services = graph.services.map(({ name, instances }) => `${name}(${instances.map((each) => each.name)})`);
  return [...services, ...graph.links.map(({ id }) => id)].join(";");
}
