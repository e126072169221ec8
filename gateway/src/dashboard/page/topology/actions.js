// What a manager can do with a node, each after a question. Whoever may not has no buttons, and the server would refuse them.

import { confirm } from "../ui/dialog.js";
import { busy } from "../ui/form.js";
import { h } from "../ui/h.js";
import { toast } from "../ui/toast.js";

/** For so long something fails, unless it recovers before, in milliseconds. */
const FAILS_MS = 60_000;

const ACTIONS = [
  {
    name: "drain", button: "Drain", kind: "primary", title: (name) => `Drain ${name}?`,
    words: (name) => `${name} gets calls only where no other can take them, until that is taken back. What it works on it finishes.`,
  },
  {
    name: "undrain", button: "Undrain", kind: "good", title: (name) => `Give ${name} calls again?`,
    words: (name) => `${name} gets its share of calls again.`,
  },
  {
    name: "fail", button: "Fail", kind: "danger", title: (name) => `Simulate a failure of ${name}?`,
    words: (name) => `Nobody calls ${name} for a minute, or until it recovers. Requests that nobody else can take are refused meanwhile.`,
  },
  {
    name: "recover", button: "Recover", kind: "good", title: (name) => `Recover ${name}?`,
    words: (name) => `All faults of ${name} end, and it is called again.`,
  },
];

/** The buttons for a node of the graph; none where nothing can be done with it. */
export function actionsFor({ id, name, instances }, { api, session }) {
  if (id === "gateway" || !session.may("control:write")) return [];
  const isService = Boolean(instances);
  return ACTIONS.map((action) => {
    const button = h("button", { type: "button", dataset: { action: action.name } }, action.button);
    button.addEventListener("click", () => run(action, { name, isService, api, button }));
    return button;
  });
}

async function run({ name: verb, title, words, button: label, kind }, { name, isService, api, button }) {
  const subject = isService ? `all instances of ${name}` : name;
  if (!(await confirm({ title: title(subject), words: words(subject), button: label, kind }))) return;
  const path = `/api/v1/control/processes/${encodeURIComponent(name)}/${verb}`;
  const body = verb === "fail" ? { for_ms: FAILS_MS, ...(isService ? { force: true } : {}) } : {};
  await busy(button, async () => {
    try {
      await api.post(path, body);
      toast(`${label}: ${subject}, done`, "ok");
    } catch (error) {
      if (error.code === "LAST_HEALTHY") return insist({ error, name, path, body, label, api });
      toast(`${label}: ${error.message}`, "failed");
    }
    return undefined;
  });
}

/** It is the last one that is healthy: it fails only if that is meant. */
async function insist({ error, name, path, body, label, api }) {
  const sure = await confirm({
    title: `${name} is the last healthy one`, words: `${error.message}. Do it all the same?`, button: "Do it all the same", kind: "danger",
  });
  if (!sure) return;
  try {
    await api.post(path, { ...body, force: true });
    toast(`${label}: ${name}, done`, "ok");
  } catch (again) {
    toast(`${label}: ${again.message}`, "failed");
  }
}
