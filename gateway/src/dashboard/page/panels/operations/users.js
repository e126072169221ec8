// The shop's customers.

import { count, money } from "../../ui/format.js";
import { confirm } from "../../ui/dialog.js";
import { field } from "../../ui/form.js";
import { h } from "../../ui/h.js";

/** Users, as `resource` shows them. */
export const users = {
  name: "users", title: "Users", one: "user", service: "user", id: "id",
  list: { path: "/users", permission: "users:read", search: "Search by name or e-mail" },

  columns: ({ run, context }) => [
    { title: "No.", number: true, value: (user) => String(user.id) },
    { title: "Name", value: (user) => user.name },
    { title: "E-mail", value: (user) => user.email },
    { title: "Orders", number: true, wide: true, value: (user) => count(user.orders) },
    { title: "Spent", number: true, wide: true, value: (user) => money(user.spent) },
    context.session.may("users:write") && { title: "", class: "row-end", value: (user) => h("button", { type: "button", "aria-label": `Remove ${user.name}`, on: { click: () => remove(user, run) } }, "Remove") },
  ].filter(Boolean),

  forms: [
    {
      name: "create-user", title: "Create user", permission: "users:write",
      fields: () => [
        field({ name: "name", label: "Name", required: true, maxlength: 200, autocomplete: "off" }),
        field({ name: "email", label: "E-mail", type: "email", required: true, maxlength: 254, autocomplete: "off" }),
      ],
      async send(api, values) {
        const { data } = await api.post("/users", values);
        return `User ${data.id}, ${data.name}, was created`;
      },
    },
    {
      name: "find-user", title: "Find user by number", button: "Find", keeps: true,
      fields: () => [field({ name: "id", label: "Number", type: "number", min: 1, step: 1, required: true })],
      async send(api, { id }) {
        const { data, instance } = await api.get(`/users/${id}`);
        return `User ${data.id} is ${data.name}, says ${instance}`;
      },
    },
  ],
};

async function remove(user, run) {
  const words = `${user.name} is forgotten. Orders keep the number ${user.id}, which nobody else gets.`;
  if (!(await confirm({ title: `Remove ${user.name}?`, words, button: "Remove", kind: "danger" }))) return;
  await run(async (api) => {
    await api.delete(`/users/${user.id}`);
    return `User ${user.id}, ${user.name}, was removed`;
  });
}
