// One kind of data: a list that can be searched and turned page by page, and forms beside it.

import { withQuery } from "../../api.js";
import { count } from "../../ui/format.js";
import { form } from "../../ui/form.js";
import { h, setText, show } from "../../ui/h.js";
import { table } from "../../ui/table.js";
import { toast } from "../../ui/toast.js";

const PER_PAGE = 10;
const TYPING_MS = 250;

/**
 * Shows a kind: {name, title, one, service, list: {path, permission, search, filters}, columns(tools), forms}. A form is {title, permission,
 * button, fields, send(api, values) -> words}. Whoever lacks the permission of a part doesn't see it. `tools` are {run, context, isAway}.
 */
export function resource(element, kind, context) {
  const { api, session, store } = context;
  const may = ({ permission }) => !permission || session.may(permission);
  const away = h("p", { class: "notice failed", role: "alert", hidden: true });
  const tools = { run, context, isAway: () => !away.hidden };
  const list = may(kind.list) ? listing(kind, tools) : null;
  const forms = kind.forms.filter(may).map((of) => h("section", { class: "section", "aria-label": of.title }, h("div", { class: "section-head" }, h("h2", {}, of.title)),
    form({ fields: of.fields(), button: of.button ?? of.title, dataset: { form: of.name }, submit: (values, form) => sent(of, values, form) })));
  show(element, away, h("div", { class: list ? "data-columns" : "columns" }, list?.element ?? null, list ? h("div", { class: "stack" }, forms) : forms));
  list?.refresh();

  async function sent(of, values, form) {
    try {
      done(await of.send(api, values));
    } catch (error) {
      noted(error);
      throw error;
    }
    if (!of.keeps) form.reset();
  }

  /** Does something to the data, and says what became of it. */
  async function run(work) {
    try {
      done(await work(api));
    } catch (error) {
      noted(error);
      toast(error.message, "failed");
    }
  }

  function noted({ message }) {
    store.note(message, { subject: kind.service, severity: "Warning" });
  }

  function done(words) {
    toast(words, "ok");
    store.note(words, { subject: kind.service });
    list?.refresh();
  }

  const end = store.subscribe("services", ({ services }) => {
    const [why, wasAway] = [whyAway(kind.service, services), !away.hidden];
    away.hidden = !why;
    setText(away, why);
    if (!why && wasAway) list?.refresh();
  });
  return () => (list?.stop(), end());
}

/** Why a service can't be asked, as far as the feed tells; nothing if it can. */
function whyAway(service, services) {
  if (services.size === 0 || services.get(service)?.running) return "";
  return services.has(service) ? `Sorry, ${service} service is unavailable right now` : `This network has no service ${service}`;
}

function listing(kind, tools) {
  const { api } = tools.context;
  let [page, turn, timer] = [1, 0, null];
  const rows = table({ caption: kind.title, columns: kind.columns(tools), key: (item) => item[kind.id], empty: `There is no ${kind.one} like that.` });
  const problem = h("p", { class: "notice failed", hidden: true });
  const stand = h("p", { class: "soft", role: "status" });
  const back = h("button", { type: "button", on: { click: () => turnTo(page - 1) } }, "Previous");
  const next = h("button", { type: "button", on: { click: () => turnTo(page + 1) } }, "Next");
  const search = h("input", { type: "search", "aria-label": kind.list.search, placeholder: kind.list.search, on: { input: typed } });
  const filters = (kind.list.filters ?? []).map(({ name, label, options }) =>
    h("select", { name, "aria-label": label, on: { change: () => turnTo(1) } }, options.map(([value, words]) => h("option", { value }, words))));
  const element = h("section", { class: "section", "aria-label": `List of ${kind.title.toLowerCase()}` },
    h("div", { class: "section-head" }, h("h2", {}, `List ${kind.title.toLowerCase()}`), h("button", { type: "button", on: { click: () => refresh() } }, "Refresh")),
    h("div", { class: "list-head" }, search, filters), problem, rows.element, h("div", { class: "pager" }, stand, h("div", { class: "row" }, back, next)));

  function typed() {
    clearTimeout(timer);
    timer = setTimeout(() => turnTo(1), TYPING_MS);
  }

  function turnTo(other) {
    page = other;
    refresh();
  }

  async function refresh() {
    const mine = (turn += 1);
    const query = { page, per_page: PER_PAGE, [kind.list.searchBy ?? "search"]: search.value.trim(), ...Object.fromEntries(filters.map((of) => [of.name, of.value])) };
    try {
      const { data, pagination } = await api.get(withQuery(kind.list.path, query));
      if (mine !== turn) return;
      problem.hidden = true;
      rows.update(data.items ?? data);
      shown(pagination ?? data.pagination);
    } catch (error) {
      if (mine !== turn) return;
      problem.hidden = tools.isAway();
      setText(problem, error.message);
    }
  }

  function shown({ total, total_pages, has_next, has_prev }) {
    setText(stand, total === 0 ? "None" : `${count(total)} in all${total_pages > 1 ? `, page ${page} of ${total_pages}` : ""}`);
    back.disabled = !has_prev;
    next.disabled = !has_next;
    back.hidden = next.hidden = total_pages <= 1;
  }

  return { element, refresh, stop: () => clearTimeout(timer) };
}
