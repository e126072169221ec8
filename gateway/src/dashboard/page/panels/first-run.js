// A new network: makes the first account, which may do everything, by the code that the program printed. The code comes in the
// fragment of the link, which browsers tell nobody; it is taken out of the address at once.

import { link, navigate } from "../router.js";
import { field, form } from "../ui/form.js";
import { h, show } from "../ui/h.js";

/** Shows the page of a new network. */
export function mount(element, { session, api, route }) {
  const code = route.parts[0] ?? "";
  if (code) history.replaceState(null, "", link("setup"));

  const fields = [
    !code && field({ name: "code", label: "Code", autocomplete: "off", required: true, spellcheck: "false", hint: "The program printed it when it started; it is good once." }),
    field({ name: "full_name", label: "Your name", autocomplete: "name", required: true, maxlength: 200 }),
    field({ name: "email", label: "E-mail address", type: "email", autocomplete: "username", required: true, minlength: 3, maxlength: 254, hint: "You sign in with it. Nothing is sent to it." }),
    field({ name: "password", label: "Password", type: "password", autocomplete: "new-password", required: true, minlength: 8, maxlength: 128, hint: "8 characters at least." }),
    field({ name: "organization", label: "Organization", autocomplete: "organization", required: true, maxlength: 200, hint: "A name for this network's people; you can change it later." }),
  ];

  show(element,
    h("div", { class: "welcome" }, h("img", { src: "/dashboard/icon.svg", alt: "", width: 40, height: 40 }),
      h("div", {}, h("h1", {}, "Welcome to your network"), h("p", { class: "soft" }, "It runs. It has no account yet, so nobody can operate it."))),
    h("section", { class: "section stack" },
      h("p", {}, "Make the first account. It may do everything: start, stop and scale services, change how calls are balanced, make services fail on purpose, and give others accounts."),
      form({ fields, button: "Make the account and sign in", submit: (values) => create({ code, ...values }) })),
    h("p", { class: "soft" }, "Is there one already? ", h("a", { href: link("signin") }, "Sign in"), "."));

  ask();

  async function ask() {
    const answer = await api.get("/auth/setup", { anonymous: true }).catch(() => null);
    if (answer?.data.needed === false) navigate(link("overview"), { replace: true });
  }

  async function create({ code: given, email, password, full_name, organization }) {
    try {
      await api.post("/auth/setup", { code: given.trim(), email, password, full_name, organization }, { anonymous: true });
    } catch (error) {
      if (error.status === 401 || error.status === 403) throw new Error("This code is not the one that the program printed, or it was used already.");
      throw error;
    }
    history.replaceState(null, "", link("overview"));
    await session.signIn(email, password);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  }
}
