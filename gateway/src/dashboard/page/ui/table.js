// Tables whose rows change.

import { h, keyed, setText, uniqueId } from "./h.js";

/**
 * A table. `columns`: [{title, value(item), number, wide, class}], where a value is text, or nodes, and narrow screens leave out what is `wide`. Gives {element, update(items)}; rows stay
 * who they are, by `key(item)`.
 */
export function table({ caption, columns, key, empty = "There is nothing here." }) {
  const body = h("tbody", {});
  const none = h("p", { class: "empty", hidden: true }, empty);
  const heads = columns.map((column) => h("th", { scope: "col", class: look(column) }, column.title || h("span", { class: "visually-hidden" }, "Actions")));
  const of = h("table", {}, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, heads)), body);
  const id = uniqueId("table");
  of.caption.id = id;
  const scroll = h("div", { class: "scroll", role: "region", "aria-labelledby": id, tabindex: "0" }, of);
  const element = h("div", {}, scroll, none);

  return {
    element,
    update(items) {
      scroll.hidden = items.length === 0;
      none.hidden = items.length > 0;
      keyed(body, items, {
        key,
        make: () => h("tr", {}, columns.map((column) => h("td", { class: look(column) }))),
        update: (row, item) => columns.forEach((column, at) => put(row.cells[at], column.value(item))),
      });
    },
  };
}

function look({ number, wide, class: name }) {
  return [number && "number", wide && "wide-only", name].filter(Boolean).join(" ") || null;
}

function put(cell, value) {
  if (value === null || value === undefined || typeof value === "string" || typeof value === "number") setText(cell, String(value ?? ""));
  else cell.replaceChildren(...[].concat(value).filter(Boolean));
}
