// The panels that there are, in the order of the menu: `name` is the first part of the address, `load` gives a module that exports
// `mount(element, context) -> unmount`, with context = {store, api, session, navigate, route}. Whoever lacks `permission` doesn't see it.
// `bar` puts a panel into the bar at the bottom of narrow screens; the others are behind "More" there.

import { VIEWS } from "./views.js";

/** The groups of the menu. */
export const GROUPS = ["Watch", "Use", "Operate"];

/** All panels. */
export const PANELS = [
  { name: "overview", title: "Overview", icon: "overview", group: "Watch", bar: true, load: () => import("./panels/overview.js") },
  ...VIEWS,
  { name: "log", title: "Activity log", icon: "log", group: "Watch", permission: "control:read", load: () => import("./panels/log.js") },
];
