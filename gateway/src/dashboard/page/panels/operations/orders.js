// The orders.

import { clock, count, money } from "../../ui/format.js";
import { field } from "../../ui/form.js";
import { badge } from "../../ui/state.js";

const STATES = ["Processing", "Shipped", "Delivered", "Cancelled"];
const KINDS = { Processing: "warn", Shipped: "idle", Delivered: "ok", Cancelled: "bad" };

/** Orders, as `resource` shows them. */
export const orders = {
  name: "orders", title: "Orders", one: "order", service: "order", id: "order_num",
  list: {
    path: "/orders", permission: "orders:read", search: "Product, by its whole name", searchBy: "name",
    filters: [{ name: "status", label: "Status", options: [["", "All orders"], ...STATES.map((state) => [state, state])] }],
  },

  columns: () => [
    { title: "No.", number: true, value: (order) => String(order.order_num) },
    { title: "Product", value: (order) => order.name },
    { title: "Pieces", number: true, wide: true, value: (order) => count(order.quantity) },
    { title: "Total", number: true, value: (order) => money(order.total) },
    { title: "Status", value: (order) => badge({ word: order.status, kind: KINDS[order.status] ?? "idle" }) },
    { title: "Bought", number: true, wide: true, value: (order) => clock(order.created_at) },
  ],

  forms: [
    {
      name: "create-order", title: "Create order", keeps: true,
      fields: () => [
        field({ name: "name", label: "Product", required: true, maxlength: 200, value: "Tux", autocomplete: "off" }),
        field({ name: "quantity", label: "Pieces", type: "number", min: 1, step: 1, required: true, value: "1" }),
        field({ name: "customer", label: "Customer (may be empty)", type: "number", min: 1, step: 1, hint: "The number of a user, as 123." }),
      ],
      async send(api, values) {
        const { data, instance } = await api.post("/orders", values);
        return `Order ${data.order_num} was placed: ${values.quantity} ${values.name}, by ${instance}`;
      },
    },
    {
      name: "update-order", title: "Update order", permission: "orders:write",
      fields: () => [
        field({ name: "order_num", label: "Number", type: "number", min: 1, step: 1, required: true }),
        field({ name: "status", label: "Status", options: STATES.slice(1).map((state) => [state, state]), hint: "Processing goes to Shipped or Cancelled, Shipped to Delivered." }),
      ],
      async send(api, { order_num, status }) {
        const { data } = await api.put(`/orders/${order_num}`, { status });
        return `Order ${data.order_num} is ${data.status} now`;
      },
    },
    {
      name: "find-order", title: "Find order by number", button: "Find", keeps: true,
      fields: () => [field({ name: "order_num", label: "Number", type: "number", min: 1, step: 1, required: true })],
      async send(api, { order_num }) {
        const { data } = await api.get(`/orders/${order_num}`);
        return `Order ${data.order_num}: ${data.quantity} ${data.name} for ${money(data.total)}, ${data.status}`;
      },
    },
  ],
};
