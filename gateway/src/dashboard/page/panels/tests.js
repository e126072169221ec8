// Tests at the press of a button: real requests, with what came of each in a line that says OK or FAILED.

import { clock, count, ms } from "../ui/format.js";
import { busy } from "../ui/form.js";
import { h, show } from "../ui/h.js";

const LINES_MAX = 200;
/** Requests of the test of load balancing. */
const ROUNDS = 12;

const TESTS = [
  { name: "User (REST)", service: "user", what: "GET /users/1", run: (context) => rest(context, "/users/1", ({ name }) => `user 1 is ${name}`) },
  { name: "User (RPC)", service: "user", what: "call user.get over the binary protocol", run: rpc },
  { name: "Product (REST)", service: "product", what: "GET /products", run: (context) => rest(context, "/products?per_page=5", (data) => `${count((data.items ?? data).length)} products`) },
  { name: "Order (REST)", service: "order", what: "GET /orders/2", run: (context) => rest(context, "/orders/2", ({ status, total }) => `order 2 is ${status}, ${total}`) },
  { name: "Load Balancing", what: `${ROUNDS} requests, by the instance that answers`, run: balancing },
];

/** By what a balanced service is asked: the first that there is. */
const BALANCED = [["product", "/products?per_page=1"], ["node", "/api/data"]];

// What the tests said stays there while panels change.
let lines = [];

/** Shows the tests. */
export function mount(element, context) {
  const log = h("ol", { class: "test-log" });
  const box = h("div", { class: "log-box", role: "log", "aria-label": "Results", "aria-live": "polite", tabindex: "0" }, log);
  const all = h("button", { type: "button", class: "primary", on: { click: ({ currentTarget }) => busy(currentTarget, every) } }, "Test All Services");
  const clear = h("button", { type: "button", on: { click: () => ((lines = []), draw()) } }, "Clear");
  show(element,
    h("section", { class: "section", "aria-label": "Tests" },
      h("div", { class: "section-head" }, h("p", {}, "Each test asks a service as its clients do, through the gateway."), all),
      h("ul", { class: "tests" }, TESTS.map((test) => h("li", { dataset: { service: test.service ?? "" } },
        h("button", { type: "button", dataset: { test: test.name }, on: { click: ({ currentTarget }) => busy(currentTarget, () => one(test)) } }, test.name),
        h("span", { class: "soft" }, test.what))))),
    h("section", { class: "section", "aria-label": "Results of tests" }, h("div", { class: "section-head" }, h("h2", {}, "Results"), clear), box));
  draw();

  // A network may be without some of these services.
  const isThere = ({ service }) => !service || context.store.services.size === 0 || context.store.services.has(service);
  const end = context.store.subscribe("services", () => {
    for (const row of element.querySelectorAll(".tests > li")) row.hidden = !isThere(row.dataset);
  });

  async function every() {
    const began = performance.now();
    let good = 0;
    const tests = TESTS.filter(isThere);
    for (const test of tests) good += await one(test);
    const isGood = good === tests.length;
    say({ name: "All Services", isGood, words: `${good} of ${tests.length} tests passed`, tookMs: performance.now() - began });
  }

  async function one(test) {
    const began = performance.now();
    try {
      const words = await test.run(context);
      say({ name: test.name, isGood: true, words, tookMs: performance.now() - began });
      return 1;
    } catch (error) {
      say({ name: test.name, isGood: false, words: error.message, tookMs: performance.now() - began });
      return 0;
    }
  }

  function say(line) {
    lines = [...lines, { at: Date.now(), ...line }].slice(-LINES_MAX);
    context.store.note(`test ${line.name}: ${line.isGood ? "OK" : "FAILED"}, ${line.words}`, { severity: line.isGood ? "Info" : "Warning" });
    draw();
    box.scrollTop = box.scrollHeight;
  }

  function draw() {
    const none = h("li", { class: "empty" }, "No test was run yet.");
    show(log, lines.length ? lines.map(row) : none);
  }

  return end;
}

function row({ at, name, isGood, words, tookMs }) {
  return h("li", { class: isGood ? "ok" : "failed", dataset: { outcome: isGood ? "OK" : "FAILED", test: name } },
    h("time", { class: "soft" }, clock(at)), h("strong", { class: "test-outcome" }, isGood ? "OK" : "FAILED"), h("span", {}, h("strong", {}, name), ` ${words}`), h("span", { class: "soft number" }, ms(tookMs)));
}

/** Asks for something. That there is no such thing is an answer of the service too. */
async function rest({ api }, path, tell) {
  try {
    const { data, instance } = await api.get(path);
    return `${tell(data)}, says ${instance}`;
  } catch (error) {
    if (error.status === 404 && error.code.endsWith("_NOT_FOUND") && error.code !== "ROUTE_NOT_FOUND") return `the service answers: ${error.message}`;
    throw error;
  }
}

/** The control service calls the user service over RPC, on behalf of whoever asks. */
async function rpc({ chat }) {
  const { kind, message, data } = await chat.ask('call user.get {"id":1}');
  if (kind === "error" && data?.status !== 404) throw new Error(message);
  if (kind === "error") return `the service answers: ${message}`;
  return `user ${data.id} is ${data.name}, says ${message.split(" ", 1)[0]}`;
}

/** Counts which instance answers. With several of them, more than one has to. */
async function balancing({ api, store }) {
  const [service, path] = BALANCED.find(([name]) => store.services.has(name)) ?? BALANCED[0];
  const answers = new Map();
  for (let round = 0; round < ROUNDS; round += 1) {
    const { instance } = await api.get(path);
    answers.set(instance, (answers.get(instance) ?? 0) + 1);
  }
  const shares = [...answers].sort(([a], [b]) => String(a).localeCompare(String(b))).map(([instance, times]) => `${instance} ${times}`).join(", ");
  const able = store.instancesOf(service).filter((instance) => instance.health === "Up");
  if (able.length > 1 && answers.size === 1) throw new Error(`only one of ${able.length} instances answered: ${shares}`);
  return `${ROUNDS} requests to ${service}: ${shares}${able.length === 1 ? " (there is one instance only)" : ""}`;
}
