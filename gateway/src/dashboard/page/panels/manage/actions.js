// What can be done to processes: the same methods of the control service that chat and command line call.

import { confirm } from "../../ui/dialog.js";
import { busy } from "../../ui/form.js";
import { h } from "../../ui/h.js";
import { toast } from "../../ui/toast.js";

/** A fault that nobody ends is over after an hour. */
const FAILS_MS = 3_600_000;

const of = (name, what) => `/api/v1/control/processes/${encodeURIComponent(name)}/${what}`;

/** The actions, each with what is asked before it, if anything. */
export const ACTIONS = {
  fail: {
    words: "Simulate Failure", kind: "danger", done: (name) => `${name} is failed: it gets no calls`,
    ask: (name) => `Nobody calls ${name} until it recovers, for an hour at most. Clients are told that it is unavailable if nothing of its service is left.`,
    send: (api, name) => api.post(of(name, "fail"), { for_ms: FAILS_MS, force: true }),
  },
  recover: { words: "Recover", kind: "good", done: (name) => `${name} recovers`, send: recover },
  start: { words: "Start", done: (name) => `${name} runs`, send: (api, name) => api.post(of(name, "start")) },
  stop: {
    words: "Stop", done: (name) => `${name} was stopped`, ask: (name) => `${name} finishes the requests that run, and ends. It stays stopped until somebody starts it.`,
    kindOfAnswer: "danger", send: (api, name) => api.post(of(name, "stop")),
  },
  restart: { words: "Restart", done: (name) => `${name} was started anew`, send: (api, name) => api.post(of(name, "restart")) },
  drain: { words: "Drain", done: (name) => `${name} is drained: it gets no new calls`, send: (api, name) => api.post(of(name, "drain")) },
  undrain: { words: "Undrain", done: (name) => `${name} gets calls again`, send: (api, name) => api.post(of(name, "undrain")) },
};

/** Ends what makes something fail, and starts what doesn't run of it. */
async function recover(api, name) {
  await api.post(of(name, "recover"));
  await api.post(of(name, "start"));
}

/** A button that does something to a service or an instance; `look` adds to its kind. */
export function actionButton(action, name, { api }, { words = ACTIONS[action].words, look = "" } = {}) {
  const { kind, kindOfAnswer, ask, send, done } = ACTIONS[action];
  async function pressed({ currentTarget: button }) {
    if (ask && !(await confirm({ title: `${words} ${name}?`, words: ask(name), button: words, kind: kindOfAnswer ?? kind }))) return;
    await busy(button, () => doing(() => send(api, name), done(name)));
  }
  return h("button", { type: "button", class: `${kind ?? ""} ${look}`.trim() || null, dataset: { action }, "aria-label": `${words} ${name}`, on: { click: pressed } }, words);
}

/** Does something, and says what came of it; whether it was done. */
export async function doing(work, words) {
  try {
    const answer = await work();
    toast(typeof words === "function" ? words(answer) : words, "ok");
    return true;
  } catch (error) {
    toast(error.message, "failed");
    return false;
  }
}
