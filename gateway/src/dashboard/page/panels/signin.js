// Who are you: an account, one of the demonstration's by its role, or the operator's token.

import { busy, field, form } from "../ui/form.js";
import { h, show } from "../ui/h.js";
import { icon } from "../ui/icons.js";
import { link } from "../router.js";
import { themeSwitch } from "../ui/theme.js";

const WHAT_ROLES_DO = { manager: "Controls everything: services, balancing, faults, drills.", client: "Looks at everything and tests it." };

/** Shows the page on which somebody signs in; the session tells the rest of it. */
export function mount(element, { session, api }) {
  const roles = h("div", {});
  const note = h("div", {});
  const account = form({
    fields: [
      field({ name: "email", label: "E-mail address", type: "email", autocomplete: "username", required: true, maxlength: 254 }),
      field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", required: true, maxlength: 128 }),
    ],
    button: "Sign in",
    submit: ({ email, password }) => session.signIn(email, password),
  });
  const operator = h("details", {}, h("summary", {}, "Use the operator's token"),
    form({
      fields: [field({
        name: "token", label: "Operator's token", type: "password", autocomplete: "off", required: true,
        hint: "It is in the file that the program names when it starts. It needs no account.",
      })],
      button: "Use this token", kind: "",
      submit: ({ token }) => session.signInAsOperator(token.trim()),
    }));

  show(element,
    h("div", { class: "welcome" }, h("img", { src: "/dashboard/icon.svg", alt: "", width: 40, height: 40 }),
      h("div", {}, h("h1", {}, "micronet"), h("p", { class: "soft" }, "Sign in to see and operate this network."))),
    note, h("section", { class: "section stack" }, roles, account, operator),
    h("div", { class: "welcome-end" }, h("a", { href: "/docs" }, "API"), themeSwitch()));

  if (session.hasEnded) show(note, h("p", { class: "notice warning", role: "alert" }, "Your session has ended. Sign in again."));
  ask();

  async function ask() {
    try {
      const { data } = await api.get("/auth/setup", { anonymous: true });
      if (data.needed) return show(note, h("p", { class: "notice" }, "There is no account yet. Follow the link that the program printed when it started, or ", h("a", { href: link("setup") }, "enter its code"), "."));
      if (data.demo?.length) show(roles, selector(data.demo));
    } catch (error) {
      const hasNone = error.status === 404;
      account.hidden = hasNone;
      operator.open = hasNone || operator.open;
      const words = hasNone ? "This network has no accounts: it was started without the service auth. Use the operator's token." : error.message;
      show(note, h("p", { class: "notice warning" }, words));
    }
  }

  /** The demonstration's accounts, whose passwords everybody knows: choosing a role fills the form in, and signs in. */
  function selector(accounts) {
    const choices = accounts.map((of) => h("button", { type: "button", class: "role-choice", dataset: { role: of.role }, on: { click: (event) => choose(event.currentTarget, of) } },
      h("span", {}, h("strong", {}, of.role === "manager" ? "Manager" : "Client"), h("span", { class: "soft" }, WHAT_ROLES_DO[of.role] ?? ""), h("span", { class: "soft mono" }, of.email)),
      icon("play")));
    return h("fieldset", { class: "roles" }, h("legend", {}, "This is a demonstration. Sign in as:"), choices);
  }

  async function choose(button, { email, password }) {
    account.elements.email.value = email;
    account.elements.password.value = password;
    await busy(button, async () => account.requestSubmit());
  }
}
