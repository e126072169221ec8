// Arrow keys over things that stand anywhere: the nearest one in that direction.

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** What a pixel ahead and one aside weigh: across, the next layer comes first; up and down, the same layer does. */
const ACROSS = [4, 1];
const DOWN = [1, 8];

const middle = ({ x, y, width, height }) => [x + width / 2, y + height / 2];

/** Which of the boxes a key leads to from one of them; null where there is none, or it is no arrow. */
export function steps(from, key, boxes) {
  const way = WAYS[key];
  if (!way || !boxes.has(from)) return null;
  const [ahead, beside] = way[0] === 0 ? DOWN : ACROSS;
  const [fromX, fromY] = middle(boxes.get(from));
  let [best, least] = [null, Infinity];
  for (const [id, box] of boxes) {
    const [x, y] = middle(box);
    const along = (x - fromX) * way[0] + (y - fromY) * way[1];
    const aside = Math.abs((x - fromX) * way[1]) + Math.abs((y - fromY) * way[0]);
    if (id === from || along <= 1) continue;
    const distance = along * ahead + aside * beside;
    if (distance < least) [best, least] = [id, distance];
  }
  return best;
}
