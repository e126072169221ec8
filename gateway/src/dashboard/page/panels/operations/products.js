// The catalog.

import { count, money } from "../../ui/format.js";
import { field } from "../../ui/form.js";
import { h } from "../../ui/h.js";

/** Products, as `resource` shows them. */
export const products = {
  name: "products", title: "Products", one: "product", service: "product", id: "id",
  list: {
    path: "/products", search: "Search by name",
    filters: [{ name: "in_stock", label: "Stock", options: [["", "All products"], ["true", "In stock"], ["false", "Sold out"]] }],
  },

  columns: ({ run }) => [
    { title: "No.", number: true, wide: true, value: (product) => String(product.id) },
    { title: "Name", value: (product) => product.name },
    { title: "Price", number: true, value: (product) => money(product.price) },
    { title: "In stock", number: true, value: (product) => count(product.quantity) },
    { title: "", class: "row-end", value: (product) => h("button", { type: "button", "aria-label": `Purchase one ${product.name}`, disabled: product.quantity === 0, on: { click: () => run((api) => purchase(api, { name: product.name, quantity: 1 })) } }, "Purchase") },
  ],

  forms: [
    {
      name: "create-product", title: "Create product", permission: "shop:write",
      fields: () => [
        field({ name: "name", label: "Name", required: true, maxlength: 200, autocomplete: "off" }),
        h("div", { class: "form-row" },
          field({ name: "price", label: "Price", type: "number", min: 0, step: "0.01", required: true }),
          field({ name: "quantity", label: "Pieces", type: "number", min: 0, step: 1, value: "10" })),
      ],
      async send(api, values) {
        const { data } = await api.post("/products", values);
        return `Product ${data.id}, ${data.name}, was created`;
      },
    },
    {
      name: "purchase-product", title: "Purchase product", button: "Purchase", keeps: true,
      fields: () => [h("div", { class: "form-row" },
        field({ name: "name", label: "Product", required: true, maxlength: 200, value: "Tux", autocomplete: "off" }),
        field({ name: "quantity", label: "Pieces", type: "number", min: 1, step: 1, required: true, value: "1" }))],
      send: purchase,
    },
  ],
};

async function purchase(api, { name, quantity }) {
  const { data, instance } = await api.post(`/api/v1/products/${encodeURIComponent(name)}/purchase`, { quantity });
  return `${data.quantity} ${data.name} sold for ${money(data.price * data.quantity)}, by ${instance}`;
}
