// Elements, made by functions. Text is always text: nothing here reads HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button", {class: "danger", on: {click}}, "Stop")`. See `fill` for what `props` may say. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG: `s("circle", {r: 4})`. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/**
 * Sets what `props` says and appends the children; null, undefined and false are left out, lists are flattened.
 * `on`: listeners by event; `style`: CSS properties, set through the object model, which the content policy allows; `dataset`;
 * properties that only exist as such (`value`, `checked`, …); everything else is an attribute, true for an empty one.
 */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "style") setStyle(element, value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...nodes(children));
  return element;
}

const PROPERTIES = new Set(["value", "checked", "selected", "disabled", "indeterminate", "textContent", "htmlFor"]);

/** Sets CSS properties, custom ones too. */
export function setStyle(element, style) {
  for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Replaces what is in an element. */
export function show(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/** Sets an element's text if it is another one, so that nothing is announced or painted for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Brings the children of `parent` in line with `items`: `key(item)` names one, `make(item)` builds its element, and `update(element, item)`
 * brings it up to date. Elements stay who they are, so that focus and what is open in them stay too.
 */
export function keyed(parent, items, { key, make, update }) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = known.get(name);
    if (element) known.delete(name);
    else {
      element = make(item);
      element.dataset.key = name;
    }
    update?.(element, item);
    if (element === before) before = before.nextElementSibling;
    else parent.insertBefore(element, before);
  }
  for (const gone of known.values()) gone.remove();
}

let ids = 0;

/** An id that no other element has, for labels. */
export function uniqueId(of = "e") {
  ids += 1;
  return `${of}-${ids}`;
}
