// Questions that have to be answered before anything else. The browser's own dialog keeps the focus in it and gives it back.

import { h, uniqueId } from "./h.js";

/** Shows a dialog: `content(close)` gives its body. Completes with what `close` was called with, or null when it was left. */
export function dialog(title, content) {
  return new Promise((resolve) => {
    const id = uniqueId("dialog");
    let answer = null;
    const close = (value) => {
      answer = value;
      element.close();
    };
    const element = h("dialog", { "aria-labelledby": id, on: { close: closed } }, h("div", { class: "dialog-body" }, h("h2", { id }, title), content(close)));
    function closed() {
      element.remove();
      resolve(answer);
    }
    document.body.append(element);
    element.showModal();
  });
}

/** Asks whether something is to be done; true if so. `kind` is the look of the button: "danger", "good" or "primary". */
export async function confirm({ title, words, button, kind = "primary" }) {
  const answer = await dialog(title, (close) => [
    h("p", {}, words),
    h("div", { class: "dialog-end" },
      h("button", { type: "button", autofocus: true, on: { click: () => close(false) } }, "Cancel"),
      h("button", { type: "button", class: kind, on: { click: () => close(true) } }, button)),
  ]);
  return answer === true;
}
