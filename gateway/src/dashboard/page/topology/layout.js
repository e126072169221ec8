// Where everything stands. Layers from left to right: clients, gateway, services, instances; on narrow screens from top to bottom.

import { place } from "../charts/drawing.js";

/** Below this width layers stand one below the other. */
export const NARROW = 820;
/** So many instances of a service have a line each; more of them are tiles. */
export const LINES_MAX = 4;

/** The room beside services where those that call each other are joined. */
const BESIDE = 152;
/** What the words at a link take at most. */
const LABEL = { width: 112, height: 16 };
const CARD = { height: 56, gap: 20 };
const LINE = { height: 26, gap: 6 };
const TILE = { width: 52, height: 26, gap: 4 };

const isBetween = ({ from }) => from.startsWith("service:");

/** How instances fill a width: whether as tiles, how wide each is, and the height of them all. */
function field(count, width) {
  if (count <= LINES_MAX) {
    return { tiles: false, across: 1, width: Math.min(width, 300), height: count * (LINE.height + LINE.gap) - LINE.gap };
  }
  const across = Math.max(1, Math.floor((width + TILE.gap) / (TILE.width + TILE.gap)));
  const rows = Math.ceil(count / across);
  return { tiles: true, across, width: TILE.width, height: rows * (TILE.height + TILE.gap) - TILE.gap };
}

function* placed(instances, shape, left, top) {
  const size = shape.tiles ? TILE : LINE;
  for (const [at, { id }] of instances.entries()) {
    const x = left + (at % shape.across) * (shape.width + size.gap);
    const y = top + Math.floor(at / shape.across) * (size.height + size.gap);
    yield [id, { x, y, width: shape.width, height: size.height, tile: shape.tiles }];
  }
}

/** A curve that leaves and arrives level. */
function curve(x1, y1, x2, y2) {
  const middle = place((x1 + x2) / 2);
  return `M${place(x1)} ${place(y1)}C${middle} ${place(y1)} ${middle} ${place(y2)} ${place(x2)} ${place(y2)}`;
}

/** Moves labels of one column apart. */
function spread(labels) {
  labels.sort((a, b) => a.y - b.y);
  labels.forEach((label, at) => {
    if (at > 0) label.y = Math.max(label.y, labels[at - 1].y + LABEL.height);
  });
}

/** An arc beside a column, out to `reach` and back. */
function arc(x, y1, y2, reach) {
  return `M${place(x)} ${place(y1)}C${place(x + reach)} ${place(y1)} ${place(x + reach)} ${place(y2)} ${place(x)} ${place(y2)}`;
}

/** `{ height, narrow, boxes: Map(id → { x, y, width, height }), wires: Map(id → { d, label }), stubs: [{ id, d }] }` of a graph. */
export function layout(graph, width) {
  return width < NARROW ? stacked(graph, width) : layered(graph, width);
}

function layered(graph, width) {
  const client = { x: 0, width: 128 };
  const gateway = { x: client.width + 124, width: 136 };
  const service = { x: Math.round(gateway.x + gateway.width + Math.max(148, width * 0.14)), width: 168 };
  const calls = graph.links.some(isBetween);
  const left = service.x + service.width + (calls ? BESIDE : 48);
  const boxes = new Map();
  const stubs = [];
  let top = 0;
  for (const each of graph.services) {
    const shape = field(each.instances.length, width - left);
    const height = Math.max(CARD.height, shape.height);
    const y = top + (height - CARD.height) / 2;
    boxes.set(each.id, { x: service.x, y, width: service.width, height: CARD.height });
    const instancesTop = top + (height - shape.height) / 2;
    for (const [id, box] of placed(each.instances, shape, left, instancesTop)) {
      boxes.set(id, box);
      if (!shape.tiles) {
        stubs.push({ id, d: curve(service.x + service.width, y + CARD.height / 2, left, box.y + box.height / 2) });
      }
    }
    if (shape.tiles) {
      const [x, middle] = [left - 12, y + CARD.height / 2];
      stubs.push({
        id: each.id,
        d: `M${service.x + service.width} ${middle}H${x}M${x + 6} ${instancesTop}H${x}V${instancesTop + shape.height}H${x + 6}`,
      });
    }
    top += height + CARD.gap;
  }
  const height = Math.max(top - CARD.gap, CARD.height);
  const middle = (height - CARD.height) / 2;
  boxes.set("client", { ...client, y: middle, height: CARD.height });
  boxes.set("gateway", { ...gateway, y: middle, height: CARD.height });
  const wires = new Map();
  for (const link of graph.links) wires.set(link.id, wire(link, boxes, service.x + service.width));
  spread(graph.links.filter(isBetween).map(({ id }) => wires.get(id).label));
  return { height, narrow: false, boxes, wires, stubs };
}

function wire(link, boxes, column) {
  const [from, to] = [boxes.get(link.from), boxes.get(link.to)];
  const [y1, y2] = [from.y + from.height / 2, to.y + to.height / 2];
  if (link.from === "client") {
    return { d: curve(from.x + from.width, y1, to.x, y2), label: { x: (from.x + from.width + to.x) / 2, y: y1 - 8, anchor: "middle" } };
  }
  if (link.from === "gateway") {
    return { d: curve(from.x + from.width, y1, to.x, y2), label: { x: to.x - 12, y: y2 - 6, anchor: "end" } };
  }
  // Services that call each other: beside their column, above or below what goes to instances.
  const down = y2 > y1;
  const reach = Math.min(BESIDE - 24, 28 + Math.abs(y2 - y1) / 6);
  const [start, end] = down ? [y1 + 16, y2 - 16] : [y1 - 16, y2 + 16];
  return { d: arc(column, start, end, reach), arrow: true, label: { x: column + Math.min(reach * 0.75 + 6, BESIDE - LABEL.width), y: (start + end) / 2 + 4, anchor: "start" } };
}

function stacked(graph, width) {
  const [rail, right] = [20, 28];
  const inner = width - rail - right;
  const half = (width - 88) / 2;
  const boxes = new Map([
    ["client", { x: 0, y: 0, width: half, height: CARD.height }],
    ["gateway", { x: width - half, y: 0, width: half, height: CARD.height }],
  ]);
  const wires = new Map();
  let top = CARD.height + 24;
  for (const each of graph.services) {
    boxes.set(each.id, { x: rail, y: top, width: inner, height: CARD.height });
    const shape = field(each.instances.length, inner - 12);
    for (const [id, box] of placed(each.instances, shape, rail + 12, top + CARD.height + LINE.gap)) boxes.set(id, box);
    top += CARD.height + (shape.height > 0 ? LINE.gap + shape.height : 0) + CARD.gap;
  }
  const bend = CARD.height + 12;
  for (const link of graph.links) {
    const [from, to] = [boxes.get(link.from), boxes.get(link.to)];
    const [y1, y2] = [from.y + from.height / 2, to.y + to.height / 2];
    if (link.from === "client") {
      const label = { x: (from.width + to.x) / 2, y: y1 - 8, anchor: "middle", short: true };
      wires.set(link.id, { d: `M${from.width} ${y1}H${to.x}`, label });
    } else if (link.from === "gateway") {
      const x = to.x - 12;
      // There is no room at the link: the service itself says what comes to it.
      wires.set(link.id, { d: `M${from.x + from.width / 2} ${from.height}V${bend}H${x}V${y2}H${to.x}`, label: null });
    } else {
      wires.set(link.id, { d: arc(rail + inner, y1 - 8, y2 + 8, right), arrow: true, label: null });
    }
  }
  return { height: top - CARD.gap, narrow: true, boxes, wires, stubs: [] };
}
