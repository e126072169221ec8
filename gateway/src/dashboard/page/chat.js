// The conversation with ChatOps: one for the whole page, so that what was said stays there while panels change.

import { openStream } from "./stream.js";

const PATH = "/ws/chatops";
/** Messages that are remembered, and commands. */
const MESSAGES_MAX = 400;
const HISTORY_MAX = 100;
/** A command that was asked for by the page itself is waited for so long. */
const ANSWER_MS = 15_000;

/** The conversation; it begins with the first who opens it. */
export function createChat(session, api) {
  const listeners = new Set();
  const asked = new Set();
  let stream = null;
  let ids = 0;

  const chat = {
    /** "connecting", "open", "waiting", "refused" or "closed", and why. */
    state: "closed",
    words: "",
    /** What was said: {key, kind, message, timestamp, from, execution, data, isMine}; `data` is read from its JSON. */
    messages: [],
    /** What was typed, the oldest first. */
    history: [],
    /** What can be said, and to whom: of the greeting. */
    commands: [],
    services: [],

    open() {
      stream ??= openStream({ path: PATH, session, api, onMessage: heard, onState: state });
    },

    /** Ends it and forgets what was said: somebody else may sign in. */
    close() {
      stream?.close();
      stream = null;
      Object.assign(chat, { messages: [], history: [], commands: [], services: [] });
      tell();
    },

    /** Says a line; whether it could be said. */
    say(text) {
      if (!stream?.send(JSON.stringify({ text }))) return false;
      keep({ kind: "mine", message: text, timestamp: new Date().toISOString(), isMine: true });
      if (chat.history.at(-1) !== text) chat.history = [...chat.history, text].slice(-HISTORY_MAX);
      return true;
    },

    /** Says a command that takes a while, and gives what came of it: {kind: "result" | "error", message, data}. */
    ask(line) {
      chat.open();
      return new Promise((resolve, reject) => {
        const ask = { line, execution: null, resolve, isSaid: false };
        const timer = setTimeout(() => (asked.delete(ask), reject(new Error("ChatOps has not answered in time."))), ANSWER_MS);
        ask.resolve = (message) => (clearTimeout(timer), asked.delete(ask), resolve(message));
        asked.add(ask);
        flush();
      });
    },

    /** Calls `listener()` whenever something of this changed; gives what ends that. */
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };

  function state(name, words = "") {
    Object.assign(chat, { state: name, words });
    tell();
  }

  // Lines are heard from the greeting on.
  function flush() {
    if (chat.state !== "open" || !chat.commands.length) return;
    for (const ask of asked) if (!ask.isSaid) ask.isSaid = stream.send(JSON.stringify({ text: ask.line }));
  }

  function heard(text) {
    const said = JSON.parse(text);
    if (!said.kind) return;
    const data = read(said.data);
    if (said.kind === "greeting" && data?.commands) {
      Object.assign(chat, { commands: data.commands, services: data.services ?? [] });
      flush();
    }
    for (const ask of asked) answer(ask, { ...said, data });
    keep({ ...said, data });
  }

  function answer(ask, said) {
    if (!ask.isSaid) return;
    if (said.kind === "ack" && !ask.execution && said.message.startsWith(`${ask.line}:`)) ask.execution = said.execution;
    else if (said.execution && said.execution === ask.execution && ["result", "error"].includes(said.kind)) ask.resolve(said);
  }

  function keep(message) {
    chat.messages = [...chat.messages, { key: (ids += 1), ...message }].slice(-MESSAGES_MAX);
    tell();
  }

  function tell() {
    for (const listener of listeners) listener();
  }

  return chat;
}

function read(data) {
  try {
    return data ? JSON.parse(data) : null;
  } catch {
    return null;
  }
}

/** What the last word of a line can become: whole lines. */
export function completions(line, { commands, services }) {
  const at = line.search(/\S*$/);
  const [before, last] = [line.slice(0, at).trim().split(/\s+/).filter(Boolean), line.slice(at).toLowerCase()];
  const found = before.length ? argument(before, commands, services) : commands.filter((of) => of.allowed).map((of) => of.name);
  const fitting = found.filter((word) => word.toLowerCase().startsWith(last) && word.toLowerCase() !== last);
  return fitting.map((word) => line.slice(0, at) + word);
}

/** What can stand behind a command and the words after it. */
function argument([name, ...words], commands, services) {
  const command = commands.find((of) => of.name === name || of.aliases.includes(name));
  if (!command) return [];
  const wanted = command.arguments.filter((of) => !of.keyword)[words.length];
  const keywords = command.arguments.filter((of) => of.keyword && !words.includes(of.name)).map((of) => of.name);
  return wanted ? [...candidates(wanted.kind, commands, services), ...(wanted.required ? [] : keywords)] : keywords;
}

function candidates(kind, commands, services) {
  const names = services.map((of) => of.service);
  const instances = services.flatMap((of) => of.instances ?? []);
  switch (kind) {
    case "command": return commands.map((of) => of.name);
    case "service": return names;
    case "instance": return instances;
    case "service or instance": return [...names, ...instances];
    case "algorithm": return ["round_robin", "least_connections", "least_response_time", "weighted", "ip_hash", "p2c_ewma", "adaptive"];
    default: return [];
  }
}
