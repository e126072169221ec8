// What happened within one stretch of time, one below the other: each a bar where it stands, with its parts.

import { h } from "../ui/h.js";
import { roundStep } from "./scale.js";
import { marked, written } from "./units.js";

const number = (ms) => h("td", { class: "number" }, written(ms, "ms"));

/**
 * A waterfall as a table. Each row is `{ name, depth, note, after_ms, took_ms, bad, words, parts }`, and each of `parts`
 * `{ kind, after_ms, took_ms }`, drawn within the bar. `kinds` says what these are: `[{ kind, label }]`.
 */
export function waterfall(rows, { caption, kinds = [] }) {
  const whole = Math.max(...rows.map(({ after_ms, took_ms }) => after_ms + took_ms), 0.001);
  const percent = (part) => `${((part / whole) * 100).toFixed(2)}%`;
  const labels = new Map(kinds.map(({ kind, label }) => [kind, label]));
  const head = h("tr", {},
    h("th", { scope: "col" }, "Where"), h("th", { scope: "col", class: "fall-axis" }, axis(whole, percent)),
    h("th", { scope: "col", class: "number" }, "After"), h("th", { scope: "col", class: "number" }, "Took"));
  const table = h("table", { class: "fall" }, h("caption", { class: "visually-hidden" }, caption),
    h("thead", {}, head), h("tbody", {}, rows.map((row) => line(row, percent, labels))));
  const used = kinds.filter(({ kind }) => rows.some(({ parts }) => parts.some((part) => part.kind === kind)));
  const legend = used.map(({ kind, label }) => h("span", {}, h("i", { class: `fall-part ${kind}` }), label));
  return h("div", { class: "fall-box" }, table, h("p", { class: "fall-legend" }, legend));
}

function axis(whole, percent) {
  const step = roundStep(whole, 4);
  const marks = [];
  for (let at = 0; at <= whole * 0.92; at += step) {
    marks.push(h("span", { style: { "inset-inline-start": percent(at) } }, marked(at, "ms")));
  }
  return h("span", { class: "fall-marks" }, h("span", { class: "visually-hidden" }, "When: "), marks);
}

function line(row, percent, labels) {
  const bar = (kind, { after_ms, took_ms }) =>
    h("i", { class: kind, style: { "inset-inline-start": percent(after_ms), "inline-size": percent(took_ms) } });
  const indented = { style: { "padding-inline-start": `${row.depth * 12}px` } };
  const parts = row.parts.map((part) => `${labels.get(part.kind)} ${written(part.took_ms, "ms")}`).join(", ");
  return h("tr", { class: row.bad ? "bad" : null },
    h("th", { scope: "row" },
      h("span", { class: "fall-name", ...indented }, row.name), h("span", { class: "fall-note", ...indented }, row.note)),
    h("td", { class: "fall-cell" },
      h("div", { class: "fall-stage", "aria-hidden": "true" },
        bar(`fall-bar${row.bad ? " bad" : ""}`, row), row.parts.map((part) => bar(`fall-part ${part.kind}`, part))),
      h("span", { class: "fall-words" }, [row.words, parts].filter(Boolean).join(" · "))),
    number(row.after_ms), number(row.took_ms));
}
