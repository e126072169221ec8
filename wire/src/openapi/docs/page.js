// Shows /openapi.json, and sends what is tried. Whatever the description says is put into the page as text, never as HTML.

const VERBS = ["get", "post", "put", "patch", "delete"];
const at = (id) => document.getElementById(id);

/** An element with properties, attributes (those with a hyphen, and `for`) and what is in it. */
function make(name, properties = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-")) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...inside.filter((each) => each !== null));
  return element;
}

/** A text whose parts within backticks are code. */
function words(text = "") {
  return text.split("`").map((part, index) => index % 2 ? make("code", { textContent: part }) : part);
}

let description;

/** What a reference within the description stands for. */
function resolved(node) {
  let found = node;
  for (let depth = 0; found?.$ref && depth < 16; depth++) {
    const way = found.$ref.slice(2).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    found = way.reduce((inside, part) => inside?.[part], description);
  }
  return found ?? {};
}

/** A value that a schema takes, to begin with. */
function sample(schema, depth = 0) {
  const of = resolved(schema);
  if (of.examples?.length) return of.examples[0];
  if ("example" in of) return of.example;
  if ("const" in of) return of.const;
  if (of.enum) return of.enum[0];
  const choice = of.oneOf?.[0] ?? of.anyOf?.[0];
  if (choice) return sample(choice, depth);
  const type = Array.isArray(of.type) ? of.type[0] : of.type;
  switch (type) {
    case "object": {
      const members = Object.entries(of.properties ?? {});
      const wanted = members.filter(([name, each]) => of.required?.includes(name) || resolved(each).examples);
      return depth > 6 ? {} : Object.fromEntries(wanted.map(([name, each]) => [name, sample(each, depth + 1)]));
    }
    case "array": return depth > 6 || !of.items ? [] : [sample(of.items, depth + 1)];
    case "integer": case "number": return of.minimum > 0 ? of.minimum : 0;
    case "boolean": return true;
    case "string": return of.format === "date-time" ? "2026-01-31T12:00:00Z" : "text";
    default: return null;
  }
}

/** A type in a few words. */
function typeWords(schema) {
  const of = resolved(schema);
  const parts = [[of.type].flat().filter(Boolean).join(" or ") || "value"];
  if (of.format) parts.push(of.format);
  if (of.enum) parts.push(`one of ${of.enum.join(", ")}`);
  if (of.minimum !== undefined || of.maximum !== undefined) parts.push(`${of.minimum ?? "…"} to ${of.maximum ?? "…"}`);
  if (of.maxLength !== undefined) parts.push(`${of.minLength ?? 0} to ${of.maxLength} characters`);
  return parts.join(", ");
}

/** Who may call an operation, in words. */
function needs(operation) {
  if (operation["x-permission"]) return operation["x-permission"];
  if (operation["x-access"]) return operation["x-access"];
  return operation.security?.length ? "signed in" : "";
}

function parameterRow(parameter, id) {
  const schema = resolved(parameter.schema);
  const field = schema.enum
    ? make("select", { id }, make("option", { value: "", textContent: "" }),
        ...schema.enum.filter((each) => each !== null).map((each) => make("option", { value: each, textContent: each })))
    : make("input", { id, autocomplete: "off" });
  if (parameter.required) {
    field.required = true;
    field.value = schema.examples?.[0] ?? schema.enum?.[0] ?? "";
  } else if (schema.examples && field.localName === "input") {
    field.placeholder = schema.examples[0];
  }
  const name = make("label", { htmlFor: id }, make("code", { textContent: parameter.name }), parameter.required ? " (required)" : "");
  const words = make("td", {}, make("div", {}, ...words(parameter.description)),
    make("div", { className: "soft", textContent: typeWords(parameter.schema) }));
  return { parameter, field, row: make("tr", {}, make("td", {}, name), make("td", {}, field), words) };
}

/** A text within single quotes of a shell. */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function requestOf(verb, path, fields, body) {
  const headers = {};
  const query = new URLSearchParams();
  let target = path;
  for (const { parameter, field } of fields) {
    if (field.value === "") continue;
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(field.value));
    else if (parameter.in === "query") query.append(parameter.name, field.value);
    else headers[parameter.name] = field.value;
  }
  const token = at("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token.replace(/^bearer\s+/i, "")}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (query.size) target += `?${query}`;
  return { target, init: { method: verb.toUpperCase(), headers, body, credentials: "omit", cache: "no-store" } };
}

function curlOf({ target, init }) {
  const shown = { ...init.headers };
  if (shown.Authorization) shown.Authorization = "Bearer $TOKEN";
  const headers = Object.entries(shown).map(([name, value]) =>
    `-H ${name === "Authorization" ? `"${name}: ${value}"` : quoted(`${name}: ${value}`)}`);
  const body = init.body === undefined ? [] : [`-d ${quoted(init.body)}`];
  const verb = init.method === "GET" ? [] : [`-X ${init.method}`];
  return ["curl -i", ...verb, ...headers, ...body, quoted(location.origin + target)].join(" ");
}

async function send(request, result) {
  const since = performance.now();
  result.replaceChildren(make("p", { className: "soft", textContent: "Waiting …" }));
  let parts;
  try {
    const response = await fetch(request.target, request.init);
    const text = await response.text();
    const took = `${Math.round(performance.now() - since)} ms`;
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* It is no JSON: shown as it is. */ }
    const by = response.headers.get("X-Micronet-Instance");
    const line = [took, response.headers.get("X-Request-ID"), by && `by ${by}`].filter(Boolean).join(" · ");
    const status = make("span", { className: response.ok ? "good" : "bad", textContent: `${response.status} ${response.statusText}` });
    parts = [make("p", {}, status, make("span", { className: "soft", textContent: ` ${line}` })),
      make("pre", { textContent: shown, tabIndex: 0 })];
  } catch (error) {
    parts = [make("p", { className: "bad", textContent: `No answer: ${error.message}` })];
  }
  result.replaceChildren(...parts, make("pre", { className: "soft", textContent: curlOf(request), tabIndex: 0 }));
}

function tryForm(verb, path, operation) {
  const id = `${verb}${path}`.replace(/[^A-Za-z0-9]+/g, "-");
  const fields = (operation.parameters ?? []).map(resolved).map((each, index) => parameterRow(each, `${id}-${index}`));
  const media = resolved(operation.requestBody).content?.["application/json"];
  const body = media && make("textarea", {
    id: `${id}-body`, rows: 6, spellcheck: false, value: JSON.stringify(media.example ?? sample(media.schema), null, 2),
  });
  const result = make("div", { "aria-live": "polite" });
  const button = make("button", { type: "submit", className: "send", textContent: "Send" });
  const form = make("form", {},
    fields.length ? make("h3", { textContent: "Parameters" }) : null,
    fields.length ? make("table", {}, make("tbody", {}, ...fields.map((each) => each.row))) : null,
    media ? make("h3", {}, make("label", { htmlFor: `${id}-body`, textContent: "Body" })) : null, body ?? null,
    make("p", {}, button), result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    await send(requestOf(verb, path, fields, body?.value), result);
    button.disabled = false;
  });
  return form;
}

function answers(operation) {
  const rows = Object.entries(operation.responses ?? {}).map(([status, response]) => make("tr", {},
    make("td", {}, make("code", { className: status < "400" ? "good" : "bad", textContent: status })),
    make("td", {}, ...words(resolved(response).description))));
  return make("table", {}, make("tbody", {}, ...rows));
}

function show(verb, path, operation) {
  const who = needs(operation);
  const inside = make("div", { className: "inside" });
  const details = make("details", {},
    make("summary", {},
      make("span", { className: `verb ${verb}`, textContent: verb.toUpperCase() }),
      make("span", { className: "path", textContent: path }),
      make("span", { className: "soft", textContent: operation.summary ?? "" }),
      who ? make("span", { className: "needs", textContent: who }) : null), inside);
  // What is inside is made when somebody looks.
  details.addEventListener("toggle", () => {
    if (!details.open || inside.hasChildNodes()) return;
    inside.append(
      make("p", {}, ...words(operation.description)),
      tryForm(verb, path, operation), make("h3", { textContent: "Answers" }), answers(operation));
  });
  details.dataset.words = [verb, path, operation.summary, operation.operationId, who].join(" ").toLowerCase();
  return details;
}

function filter() {
  const words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll("section")) {
    const all = [...section.querySelectorAll("details")];
    for (const each of all) each.hidden = !words.every((word) => each.dataset.words.includes(word));
    section.hidden = all.every((each) => each.hidden);
  }
}

function showAll() {
  const { info, tags = [], paths } = description;
  document.title = `${info.title} API`;
  at("title").textContent = `${info.title} API`;
  at("version").textContent = info.version;
  at("about").replaceChildren(...words(info.description));
  const byTag = new Map(tags.map((tag) => [tag.name, { tag, operations: [] }]));
  for (const [path, item] of Object.entries(paths)) {
    for (const verb of VERBS.filter((each) => item[each])) {
      // The other places of a method say the same: they are left to the description itself.
      if (item[verb]["x-alias-of"]) continue;
      byTag.get(item[verb].tags?.[0])?.operations.push(show(verb, path, item[verb]));
    }
  }
  const sections = [...byTag.values()].filter(({ operations }) => operations.length).map(({ tag, operations }) =>
    make("section", { id: `tag-${tag.name}`, "aria-label": tag.name },
      make("h2", { textContent: tag.name }), make("p", { className: "soft", textContent: tag.description ?? "" }), ...operations));
  at("tags").replaceChildren(...sections.map((each) => make("a", { href: `#${each.id}`, textContent: each.id.slice(4) })));
  at("operations").replaceChildren(...sections);
  at("operations").setAttribute("aria-busy", "false");
}

at("settings").addEventListener("submit", (event) => event.preventDefault());
at("search").addEventListener("input", filter);
at("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.classList.contains("dark")
    || (!root.classList.contains("light") && matchMedia("(prefers-color-scheme: dark)").matches);
  root.classList.toggle("dark", !isDark);
  root.classList.toggle("light", isDark);
  at("theme").setAttribute("aria-pressed", String(!isDark));
});
try {
  const response = await fetch("/openapi.json", { credentials: "omit" });
  if (!response.ok) throw new Error(`/openapi.json is answered with ${response.status}`);
  description = await response.json();
  showAll();
} catch (error) {
  at("state").textContent = `The description can't be shown: ${error.message}`;
}
