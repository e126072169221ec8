// What the feed says, as a graph: the clients, the gateway, services with their instances, and who calls whom.

import { health, stateOf, together } from "./health.js";

const GATEWAY = "gateway";

const sum = (all, of) => all.reduce((total, each) => total + (Number(of(each)) || 0), 0);
const byName = (a, b) => a.localeCompare(b, "en", { numeric: true });

/** A mean that is weighed by how often it was measured; null where nothing was. */
function weighed(links) {
  const rate = sum(links, ({ per_s }) => per_s);
  return rate > 0 ? sum(links, ({ per_s, mean_ms }) => per_s * mean_ms) / rate : null;
}

/**
 * The graph of what a store knows: `{ client, gateway, services: [{ id, name, entry, health, instances }], links: [{ id, from, to, per_s,
 * mean_ms, health }] }`. Instances are `{ id, name, entry, health }`.
 */
export function graphOf(store) {
  const totals = store.totals ?? {};
  const instances = [...store.instances.values()];
  const links = [...store.links.values()];
  const mean = new Map();
  for (const { to_instance, per_s, mean_ms } of links) {
    mean.set(to_instance, [...(mean.get(to_instance) ?? []), { per_s, mean_ms }]);
  }
  const node = (entry) => {
    const mean_ms = weighed(mean.get(entry.instance) ?? []) ?? entry.p50_ms;
    return { id: `instance:${entry.instance}`, name: entry.instance, entry: { ...entry, mean_ms }, health: health(stateOf(entry)) };
  };
  const services = [...store.services.values()].filter(({ service }) => service !== GATEWAY).map((entry) => {
    const own = instances.filter(({ service }) => service === entry.service);
    own.sort((a, b) => byName(a.instance, b.instance));
    const shown = own.map(node);
    return {
      id: `service:${entry.service}`, name: entry.service, entry, instances: shown,
      health: together(shown.map((each) => each.health), entry.running !== false),
    };
  });
  services.sort((a, b) => byName(a.name, b.name));
  const own = instances.find(({ service }) => service === GATEWAY);
  const gateway = { id: GATEWAY, name: own?.instance ?? GATEWAY, entry: { ...own, ...totals }, health: health(own ? stateOf(own) : "up") };
  const before = { id: "client>gateway", from: "client", to: GATEWAY, per_s: totals.per_s, mean_ms: totals.p50_ms, health: gateway.health };
  return {
    client: { id: "client", name: "Clients", entry: totals },
    gateway,
    services,
    links: [before, ...callsOf(links, instances, services)],
  };
}

/** Calls between processes, added up by the services that they belong to. */
function callsOf(links, instances, services) {
  const serviceOf = new Map(instances.map(({ instance, service }) => [instance, service]));
  const shown = new Map(services.map((service) => [service.name, service]));
  const pairs = new Map(services.map(({ name }) => [`${GATEWAY}>${name}`, []]));
  for (const link of links) {
    const from = serviceOf.get(link.from) ?? link.from.replace(/-\d+$/, "");
    if (from === link.to_service || !shown.has(link.to_service) || (from !== GATEWAY && !shown.has(from))) continue;
    const pair = `${from}>${link.to_service}`;
    pairs.set(pair, [...(pairs.get(pair) ?? []), link]);
  }
  return [...pairs].map(([pair, own]) => {
    const [from, name] = pair.split(">");
    const to = shown.get(name);
    const start = from === GATEWAY ? GATEWAY : `service:${from}`;
    // As the callers see it: others may see the same instances otherwise.
    const seen = own.length > 0 ? together(own.map(({ state }) => health(state))) : to.health;
    return { id: `${start}>${to.id}`, from: start, to: to.id, per_s: sum(own, ({ per_s }) => per_s), mean_ms: weighed(own), health: seen };
  });
}

/** What the picture's places depend on; figures aren't in it. */
export function structureOf(graph) {
  const services = graph.services.map(({ name, instances }) => `${name}(${instances.map((each) => each.name)})`);
  return [...services, ...graph.links.map(({ id }) => id)].join(";");
}
