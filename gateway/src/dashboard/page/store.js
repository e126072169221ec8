// The network as the control service tells it, message by message: one WebSocket for the whole page.
//
// What changed is applied to what is known; panels are told at the next frame, however many messages came until then. Everything is
// bounded: the network's parts by what there is, events by `EVENTS_MAX`.

import { openStream } from "./stream.js";
import { instant } from "./ui/format.js";

const PATH = "/ws/api/v1/control/live";
/** Events that are remembered. */
export const EVENTS_MAX = 1000;
/** Without a word for so long, what is shown is old. */
export const STALE_MS = 5_000;
/** And for so long, the connection is given up for another one. */
const SILENT_MS = 15_000;

/**
 * The store. What it knows:
 * - `connection`: {state, words, since}; state is "connecting", "live", "stale", "waiting", "refused" or "closed"
 * - `network`, `totals`: as the feed has them, or null before the first message
 * - `services`, `instances`, `links`, `alerts`: maps, by name, by name, by `from>to_instance`, by id
 * - `events`: the last ones, the oldest first; `lost`: how many are missing
 * - `at`: the time of the last message, in milliseconds of the network's clock
 */
export function createStore(session, api) {
  const subscribers = new Set();
  const dirty = new Set();
  let frame = null;
  let stream = null;
  let heardAt = 0;

  const store = {
    connection: { state: "closed", words: "", since: Date.now() },
    ...nothing(),

    /** The time of the network as well as it can be told from here, in milliseconds since 1970. */
    now() {
      return store.at ? store.at + (performance.now() - heardAt) : Date.now();
    },

    /** For how long nothing was heard, in milliseconds. */
    silence() {
      return heardAt ? performance.now() - heardAt : 0;
    },

    /** The instances of a service, by name. */
    instancesOf(service) {
      const mine = [...store.instances.values()].filter((instance) => instance.service === service);
      return mine.sort((a, b) => a.instance.localeCompare(b.instance, "en", { numeric: true }));
    },

    /**
     * Calls `callback(store)` at the next frame, and then whenever one of these keys has changed, once a frame at most. The keys are
     * the fields above. Gives what ends that.
     */
    subscribe(keys, callback) {
      const subscriber = { keys: new Set([].concat(keys)), callback, isNew: true };
      subscribers.add(subscriber);
      request();
      return () => subscribers.delete(subscriber);
    },

    /** Adds an event of this page's own to the log: it is nobody else's. */
    note(words, { severity = "Info", subject = "" } = {}) {
      keepEvents([{ id: `here-${performance.now()}`, at: store.now(), kind: "Here", severity, subject, words, who: session.name }]);
      request();
    },

    /** Begins to listen. */
    open() {
      if (stream) return;
      stream = openStream({ path: address, session, api, onMessage: heard, onState: state });
    },

    /** Listens no more, and forgets everything. */
    close() {
      stream?.close();
      stream = null;
      heardAt = 0;
      Object.assign(store, nothing());
      for (const key of KEYS) dirty.add(key);
      request();
    },

    /** Tries to connect at once. */
    again() {
      stream?.again();
    },
  };

  function address() {
    const last = store.events.findLast((event) => typeof event.id === "number");
    return last ? `${PATH}?events_since=${last.id}` : PATH;
  }

  function state(name, words = "") {
    // A connection is live by what comes over it, not by being there.
    if (name === "open") return;
    become(name === "connecting" && store.connection.state === "waiting" ? "waiting" : name, words);
  }

  function become(name, words = "") {
    if (store.connection.state === name && store.connection.words === words) return;
    store.connection = { state: name, words, since: Date.now() };
    dirty.add("connection");
    request();
  }

  function heard(text) {
    const live = JSON.parse(text);
    heardAt = performance.now();
    become("live");
    // Another network than before, which counts its events anew.
    if (store.network && live.network && live.network.started !== store.network.started) {
      store.events = [];
      dirty.add("events");
      if (live.whole) queueMicrotask(() => stream?.renew());
    }
    for (const key of apply(store, live)) dirty.add(key);
    if (live.events?.length) keepEvents(live.events);
    request();
  }

  function keepEvents(events) {
    const known = new Set(store.events.slice(-EVENTS_MAX).map((event) => event.id));
    const fresh = events.filter((event) => !known.has(event.id));
    if (!fresh.length) return;
    store.events = [...store.events, ...fresh].slice(-EVENTS_MAX);
    dirty.add("events");
  }

  function request() {
    frame ??= requestAnimationFrame(tell);
  }

  function tell() {
    frame = null;
    const changed = new Set(dirty);
    dirty.clear();
    for (const subscriber of subscribers) {
      if (!subscriber.isNew && ![...subscriber.keys].some((key) => changed.has(key))) continue;
      subscriber.isNew = false;
      subscriber.callback(store);
    }
  }

  setInterval(() => {
    if (store.connection.state !== "live" && store.connection.state !== "stale") return;
    if (store.silence() > SILENT_MS) {
      heardAt = performance.now() - STALE_MS;
      stream?.renew();
    } else if (store.silence() > STALE_MS) become("stale");
  }, 1000);

  return store;
}

const KEYS = ["connection", "network", "totals", "services", "instances", "links", "alerts", "events", "lost", "at"];

function nothing() {
  return {
    network: null, totals: null, services: new Map(), instances: new Map(), links: new Map(), alerts: new Map(), events: [], lost: 0, at: 0,
  };
}

/** The name of a link among the others. */
export function linkKey({ from, to_instance }) {
  return `${from}>${to_instance}`;
}

const LISTS = { services: (of) => of.service, instances: (of) => of.instance, links: linkKey, alerts: (of) => of.id };

/** Brings `known` up to date by a message of the feed; gives the keys of what changed. */
export function apply(known, live) {
  const changed = new Set(["at"]);
  known.at = instant(live.at);
  for (const key of ["network", "totals"]) {
    if (!live[key]) continue;
    known[key] = live[key];
    changed.add(key);
  }
  for (const [key, name] of Object.entries(LISTS)) {
    if (live.whole && known[key].size) {
      known[key].clear();
      changed.add(key);
    }
    for (const entry of live[key] ?? []) {
      known[key].set(name(entry), entry);
      changed.add(key);
    }
    for (const gone of live.gone?.[key] ?? []) {
      known[key].delete(key === "links" ? linkKey(gone) : gone);
      changed.add(key);
    }
  }
  if (live.lost) {
    known.lost += live.lost;
    changed.add("lost");
  }
  return changed;
}
