// What stands around the panels: the menu, the state of the connection, alerts, who is signed in, and light or dark.

import { GROUPS } from "../panels.js";
import { link } from "../router.js";
import { alertStrip } from "./alerts.js";
import { connectionBanner, connectionState } from "./connection.js";
import { h, setText, show } from "./h.js";
import { icon } from "./icons.js";
import { themeSwitch } from "./theme.js";
import { toasts } from "./toast.js";

/** Places in the bar of narrow screens, besides "More". */
const BAR_MAX = 4;

/** The shell. `panels()` gives those that this session may see. */
export function createShell({ store, session, panels }) {
  const title = h("h1", { id: "title" });
  const main = h("main", { id: "panel", tabindex: "-1", "aria-labelledby": "title" });
  const menu = h("nav", { class: "menu", "aria-label": "Panels" });
  const bar = h("nav", { class: "bottom-bar", "aria-label": "Panels" });
  const more = h("dialog", { class: "sheet", "aria-label": "More panels" });
  const network = h("p", { class: "soft", dataset: { part: "network" } });
  const who = h("div", {});
  const frame = h("div", { class: "frame" },
    h("a", { class: "skip", href: "#panel", on: { click: skip } }, "Skip to the panel"),
    h("aside", { class: "side", "aria-label": "Menu and account" },
      h("div", { class: "brand" }, h("img", { src: "/dashboard/icon.svg", alt: "", width: 28, height: 28 }), h("div", {}, h("strong", {}, "micronet"), network)),
      menu, h("div", { class: "side-end" }, who, themeSwitch())),
    h("div", { class: "content" }, h("header", { class: "top" }, title, connectionState(store)), connectionBanner(store), alertStrip(store), main),
    bar, more);
  let built = "";

  store.subscribe("network", ({ network: of }) => setText(network, of ? `${of.cluster} ${of.version}` : ""));

  function skip(event) {
    event.preventDefault();
    main.focus();
  }

  function build() {
    const all = panels();
    const names = [session.name, session.role, ...all.map((panel) => panel.name)].join();
    if (names === built) return;
    built = names;
    show(menu, GROUPS.map((group) => {
      const mine = all.filter((panel) => panel.group === group);
      const id = `group-${group}`;
      return mine.length > 0 && h("div", { class: "menu-group", role: "group", "aria-labelledby": id },
        h("p", { class: "menu-title", id }, group), mine.map((panel) => entry(panel, panel.title)));
    }));
    const first = all.filter((panel) => panel.bar).slice(0, BAR_MAX);
    const rest = all.filter((panel) => !first.includes(panel));
    show(bar, first.map((panel) => entry(panel, panel.short ?? panel.title)),
      h("button", { type: "button", "aria-haspopup": "dialog", dataset: { panels: rest.map((panel) => panel.name).join(" ") }, on: { click: () => more.showModal() } }, icon("more"), h("span", {}, "More")));
    show(more,
      h("div", { class: "sheet-head" }, h("strong", {}, "More"), h("button", { type: "button", class: "quiet", "aria-label": "Close", on: { click: () => more.close() } }, icon("close"))),
      h("div", { class: "sheet-list" }, rest.map((panel) => entry(panel, panel.title))), identity(), themeSwitch());
    show(who, identity());
  }

  function entry(panel, words) {
    return h("a", { href: link(panel.name), dataset: { panel: panel.name }, on: { click: () => more.close() } }, icon(panel.icon), h("span", {}, words));
  }

  function mark({ name }) {
    for (const of of frame.querySelectorAll("a[data-panel]")) {
      if (of.dataset.panel === name) of.setAttribute("aria-current", "page");
      else of.removeAttribute("aria-current");
    }
    const button = bar.querySelector("button");
    button.classList.toggle("current", button.dataset.panels.split(" ").includes(name));
  }

  function identity() {
    return h("div", { class: "identity" },
      h("div", {}, h("strong", {}, session.name), h("span", { class: "role", dataset: { part: "role" } }, session.role)),
      h("button", { type: "button", class: "quiet", title: "Sign out", "aria-label": "Sign out", on: { click: () => session.signOut() } }, icon("out")));
  }

  return {
    /** The element for a panel, within the shell. */
    inside(app, panel, { isOther }) {
      build();
      mark(panel);
      setText(title, panel.title);
      show(main);
      main.className = `panel-${panel.name}`;
      const isFirst = !frame.isConnected;
      if (isFirst) show(app, frame, toasts);
      if (isOther && !isFirst) {
        window.scrollTo(0, 0);
        main.focus({ preventScroll: true });
      }
      return main;
    },

    /** The element for a panel that stands alone. */
    outside(app) {
      const alone = h("main", { class: "alone", id: "panel" });
      show(app, alone, toasts);
      return alone;
    },
  };
}
