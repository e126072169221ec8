// Attributes that are written only when they change: what stands still costs the browser nothing.

/** Writes those attributes of an element that differ; null, undefined and false take one away, `text` is what the element says. */
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") {
      const text = String(value);
      if (node.textContent !== text) node.textContent = text;
    } else if (value === null || value === undefined || value === false) {
      if (node.hasAttribute(name)) node.removeAttribute(name);
    } else {
      const text = String(value);
      if (node.getAttribute(name) !== text) node.setAttribute(name, text);
    }
  }
  return node;
}

/** A coordinate as it stands in a path: a tenth of a pixel is as fine as anybody sees. */
export const place = (value) => Math.round(value * 10) / 10;
