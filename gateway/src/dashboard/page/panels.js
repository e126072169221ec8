// The panels that there are, in the order of the menu: `name` is the first part of the address, `load` gives a module that exports
// `mount(element, context) -> unmount`, with context = {store, api, session, chat, navigate, route}. Whoever lacks `permission` doesn't see it.
// `bar` puts a panel into the bar at the bottom of narrow screens; the others are behind "More" there.

import { VIEWS } from "./views.js";

/** The groups of the menu. */
export const GROUPS = ["Watch", "Use", "Operate"];

/** All panels. */
export const PANELS = [
  { name: "overview", title: "Overview", icon: "overview", group: "Watch", bar: true, load: () => import("./panels/overview.js") },
  ...VIEWS,
  { name: "log", title: "Activity log", icon: "log", group: "Watch", permission: "control:read", load: () => import("./panels/log.js") },
  { name: "data", title: "Data operations", short: "Data", icon: "data", group: "Use", load: () => import("./panels/operations.js") },
  { name: "tests", title: "Tests", icon: "tests", group: "Use", bar: true, load: () => import("./panels/tests.js") },
  { name: "manage", title: "Network management", icon: "manage", group: "Operate", permission: "control:write", load: () => import("./panels/manage.js") },
  { name: "chat", title: "ChatOps", icon: "chat", group: "Operate", permission: "control:read", bar: true, load: () => import("./panels/chat.js") },
];
