// Forms: labelled fields, faults beside the fields that they are about, and a button that waits while something is sent.

import { h, setText, show, uniqueId } from "./h.js";

/**
 * A field with its label. `of`: {name, label, type, value, hint, options: [[value, words]], required, …attributes of the input}.
 */
export function field({ name, label, type = "text", hint, options, value, ...attributes }) {
  const id = uniqueId(name);
  const described = [hint && `${id}-hint`, `${id}-fault`].filter(Boolean).join(" ");
  const common = { id, name, "aria-describedby": described, ...attributes };
  const input = options
    ? h("select", common, options.map(([of, words]) => h("option", { value: of, selected: of === value }, words)))
    : h("input", { type, ...common, value: value ?? "" });
  return h("div", { class: "field", dataset: { field: name } },
    h("label", { for: id }, label), input,
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
    h("p", { class: "fault", id: `${id}-fault`, hidden: true }));
}

/**
 * A form of such fields. `submit(values)` gets what was filled in: numbers of number fields, undefined for what is empty; while it
 * works the button is busy, and what it throws is shown. `end` stands beside the button.
 */
export function form({ fields, button, kind = "primary", submit, end, ...attributes }) {
  const problem = h("p", { class: "notice failed", role: "alert", hidden: true });
  const send = h("button", { type: "submit", class: kind }, button);
  const element = h("form", { class: "form", novalidate: true, ...attributes, on: { submit: sent } }, fields, problem, h("div", { class: "form-end" }, send, end));

  async function sent(event) {
    event.preventDefault();
    clear();
    if (send.disabled || !isSound()) return;
    await busy(send, async () => {
      try {
        await submit(valuesOf(element), element);
      } catch (error) {
        tell(error);
      }
    });
  }

  function isSound() {
    const wrong = [...element.elements].filter((input) => input.willValidate && !input.validity.valid);
    for (const input of wrong) mark(input, input.validationMessage);
    wrong[0]?.focus();
    return wrong.length === 0;
  }

  function tell(error) {
    const faults = (error.details?.faults ?? []).map(faultOf);
    const unnamed = faults.filter(([name, words]) => !mark(element.elements.namedItem(name), words));
    if (!faults.length || unnamed.length) {
      problem.hidden = false;
      setText(problem, error.message ?? String(error));
    }
    element.querySelector("[aria-invalid]")?.focus();
  }

  function mark(input, words) {
    const fault = input?.id && document.getElementById(`${input.id}-fault`);
    if (!fault) return false;
    input.setAttribute("aria-invalid", "true");
    fault.hidden = false;
    setText(fault, words);
    return true;
  }

  function clear() {
    problem.hidden = true;
    for (const input of element.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
    for (const fault of element.querySelectorAll(".fault")) fault.hidden = true;
  }

  return element;
}

/** A fault of the envelope as the field's name and words. */
function faultOf(fault) {
  if (typeof fault === "string") return fault.split(/:\s*/, 2).length === 2 ? [fault.slice(0, fault.indexOf(":")), fault.slice(fault.indexOf(":") + 1).trim()] : ["", fault];
  return [fault.field ?? fault.path ?? "", fault.message ?? fault.reason ?? fault.words ?? fault.expected ?? ""];
}

/** What is filled in. */
function valuesOf(element) {
  const values = {};
  for (const input of element.elements) {
    if (!input.name) continue;
    if (input.type === "checkbox") values[input.name] = input.checked;
    else if (input.value !== "") values[input.name] = input.type === "number" ? Number(input.value) : input.value;
  }
  return values;
}

/** Has a button wait while something is done: it can't be pressed twice, and says that it works. */
export async function busy(button, work) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

/** A group of buttons of which one is pressed; `choose(value)` hears of it. */
export function segments(label, choices, chosen, choose) {
  const element = h("div", { class: "segments", role: "group", "aria-label": label });
  const draw = (value) => {
    for (const button of element.children) button.setAttribute("aria-pressed", String(button.dataset.value === value));
  };
  show(element, choices.map(([value, words]) =>
    h("button", { type: "button", dataset: { value }, on: { click: () => (draw(value), choose(value)) } }, words)));
  draw(chosen);
  return element;
}
