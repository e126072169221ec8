// The dashboard: puts session, feed and panels together, and shows what the address says.

import { createApi } from "./api.js";
import { createChat } from "./chat.js";
import { PANELS } from "./panels.js";
import { link, navigate, routes } from "./router.js";
import { createSession } from "./session.js";
import { createStore } from "./store.js";
import { show } from "./ui/h.js";
import { createShell } from "./ui/shell.js";

const FIRST = PANELS[0];
const SIGN_IN = { name: "signin", title: "Sign in", load: () => import("./panels/signin.js") };
/** Where the link of a new network leads: the code stands in the fragment, which no server is told. */
const FIRST_RUN = { name: "setup", title: "First run", load: () => import("./panels/first-run.js") };

const app = document.getElementById("app");
const session = createSession();
const api = createApi(session);
const store = createStore(session, api);
const chat = createChat(session, api);
const shell = createShell({ store, session, api, panels: visible });

let shown = null;
let unmount = null;
let turn = 0;

function visible() {
  return PANELS.filter((panel) => !panel.permission || session.may(panel.permission));
}

/** The panel of an address: whoever isn't signed in signs in first, and comes to where they wanted to go. */
function panelOf(route) {
  if (route.name === FIRST_RUN.name) return FIRST_RUN;
  if (!session.isSignedIn) return SIGN_IN;
  return visible().find((panel) => panel.name === route.name) ?? FIRST;
}

async function arrive(route) {
  const panel = panelOf(route);
  const mine = (turn += 1);
  const isOutside = panel === SIGN_IN || panel === FIRST_RUN;
  if (session.isSignedIn) store.open();
  else {
    store.close();
    chat.close();
  }
  if (panel === FIRST && route.name !== FIRST.name) return navigate(link(FIRST.name), { replace: true });
  let mount;
  try {
    ({ mount } = await panel.load());
  } catch (error) {
    mount = (element) => broken(element, error);
  }
  if (mine !== turn) return;
  unmount?.();
  unmount = null;
  document.title = `${panel.title} · micronet`;
  const isOther = shown !== panel;
  shown = panel;
  const element = isOutside ? shell.outside(app) : shell.inside(app, panel, { isOther });
  try {
    unmount = mount(element, { store, api, session, chat, navigate, route }) ?? null;
  } catch (error) {
    broken(element, error);
  }
}

function broken(element, error) {
  console.error(error);
  show(element, "This panel can't be shown: ", String(error.message ?? error));
}

let route = null;
const again = () => arrive(route);
session.changed(again);
routes((next) => {
  route = next;
  again();
});
