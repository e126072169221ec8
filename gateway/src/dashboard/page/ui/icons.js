// Icons: strokes on a grid of 20, in the colour of the text. They stand beside words, so readers of the screen don't hear of them.

import { s } from "./h.js";

const PATHS = {
  overview: "M3 3h6v6H3zM11 3h6v4h-6zM11 9h6v8h-6zM3 11h6v6H3z",
  network: "M10 7V4M10 4a1.5 1.5 0 1 0 0-.01M10 7l-5 6M10 7l5 6M10 7v6M5 15.5a1.5 1.5 0 1 0 0-.01M10 15.5a1.5 1.5 0 1 0 0-.01M15 15.5a1.5 1.5 0 1 0 0-.01",
  servers: "M3 4h14v5H3zM3 11h14v5H3zM6 6.5h.01M6 13.5h.01M10 6.5h4M10 13.5h4",
  balancing: "M10 3v14M5 17h10M4 6h12M4 6l-2 5h4zM16 6l-2 5h4z",
  traffic: "M3 16h14M3 13l4-5 3 3 4-7 3 4",
  requests: "M3 5h9M6 10h9M9 15h8",
  drills: "M11 2L5 11h4l-1 7 7-10h-4z",
  log: "M4 4h12M4 8h12M4 12h8M4 16h6",
  data: "M4 5c0-1.7 12-1.7 12 0v10c0 1.7-12 1.7-12 0zM4 5c0 1.7 12 1.7 12 0M4 10c0 1.7 12 1.7 12 0",
  tests: "M8 3v5l-4.500 7.500A1 1 0 0 0 4.400 17h11.200a1 1 0 0 0 .9-1.500L12 8V3M6.500 3h7M6 13h8",
  manage: "M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4",
  chat: "M3 4h14v9H9l-4 4v-4H3z",
  more: "M3 5h14M3 10h14M3 15h14",
  light: "M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M15.700 4.300l-1.100 1.100M5.400 14.600l-1.100 1.100",
  dark: "M16 12.500A7 7 0 0 1 7.500 4a7 7 0 1 0 8.500 8.500z",
  system: "M3 4h14v9H3zM7 17h6M10 13v4",
  out: "M8 3H4v14h4M9 10h8M14 7l3 3-3 3",
  close: "M5 5l10 10M15 5L5 15",
  ok: "M4 10.500l4 4 8-9",
  failed: "M5 5l10 10M15 5L5 15",
  warning: "M10 3l8 14H2zM10 8v4M10 14.500h.01",
  info: "M10 9v5M10 6h.01M10 2.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15",
  pause: "M7 4v12M13 4v12",
  play: "M6 4l10 6-10 6z",
};

/** An icon by its name. */
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true", focusable: "false" },
    s("path", { d: PATHS[name] ?? PATHS.info }));
}
