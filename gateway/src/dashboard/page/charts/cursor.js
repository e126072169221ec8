// A time that charts point at together: by the pointer over one of them, or by keys.

/** The cursor of some charts. Nobody points at anything as long as `at` is null. */
export class Cursor {
  constructor() {
    this.at = null;
    this.listeners = new Set();
  }

  /** Points at a time in seconds, or at nothing. */
  point(at_s) {
    if (at_s === this.at) return;
    this.at = at_s;
    for (const listener of this.listeners) listener(at_s);
  }

  /** Calls back whenever it moves; what this returns ends that. */
  follow(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/** How many steps a key goes; infinite ones go to an end. */
const KEYS = {
  ArrowLeft: -1,
  ArrowRight: 1,
  PageUp: -10,
  PageDown: 10,
  Home: -Infinity,
  End: Infinity,
};

/**
 * Lets the pointer and keys over an element move a cursor. `span()` says what is shown: `{ from_s, to_s, step_s }`, and `time(x)` the
 * time at a pixel of the element. What this returns ends it.
 */
export function steer(element, cursor, span, time) {
  const moved = (event) => cursor.point(time(event.clientX - element.getBoundingClientRect().left));
  const left = () => cursor.point(null);
  const pressed = (event) => {
    if (event.key === "Escape") return cursor.point(null);
    const steps = KEYS[event.key];
    if (steps === undefined) return undefined;
    event.preventDefault();
    const { from_s, to_s, step_s } = span();
    const from = cursor.at ?? to_s;
    return cursor.point(Math.min(to_s, Math.max(from_s, from + steps * step_s)));
  };
  const handlers = { pointermove: moved, pointerdown: moved, pointerleave: left, keydown: pressed, blur: left };
  for (const [name, handler] of Object.entries(handlers)) element.addEventListener(name, handler);
  return () => {
    for (const [name, handler] of Object.entries(handlers)) element.removeEventListener(name, handler);
  };
}
