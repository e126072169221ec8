// Numbers and times as people read them. Figures keep their width, so that columns don't jump.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
/** What stands where there is no number. */
export const NOTHING = "–";

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A count: 12,345. */
export function count(value) {
  return isNumber(value) ? whole.format(value) : NOTHING;
}

/** A rate: 0, 0.4/s, 12/s, 1,234/s. */
export function rate(value) {
  if (!isNumber(value)) return NOTHING;
  if (value === 0) return "0/s";
  return `${value < 9.95 ? value.toFixed(1) : whole.format(value)}/s`;
}

/** Milliseconds: 0.42 ms, 12.3 ms, 340 ms, 1.25 s. */
export function ms(value) {
  if (!isNumber(value)) return NOTHING;
  if (value >= 999.5) return `${(value / 1000).toFixed(2)} s`;
  if (value >= 99.95) return `${value.toFixed(0)} ms`;
  return `${value.toFixed(value >= 9.995 ? 1 : 2)} ms`;
}

/** A share: 0 %, 33.4 %, 100 %. */
export function percent(value) {
  if (!isNumber(value)) return NOTHING;
  return `${value === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} %`;
}

/** Memory: 812 KiB, 24.1 MiB. */
export function bytes(value) {
  if (!isNumber(value)) return NOTHING;
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** Milliseconds since 1970 of a timestamp of the network, which is text as RFC 3339 has it; NaN for none. */
export function instant(timestamp) {
  return typeof timestamp === "number" ? timestamp : Date.parse(timestamp ?? "");
}

/** The time of day: 14:03:22. */
export function clock(timestamp) {
  const at = new Date(instant(timestamp));
  if (Number.isNaN(at.getTime())) return NOTHING;
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** A length of time: 8 s, 3 min, 2 h 5 min, 4 d. */
export function duration(milliseconds) {
  if (!isNumber(milliseconds)) return NOTHING;
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

/** Since when, as seen from `now`: both in milliseconds or as timestamps. */
export function since(timestamp, now) {
  const at = instant(timestamp);
  return Number.isNaN(at) ? NOTHING : duration(instant(now) - at);
}

/** A price in minor units, or as the API writes it. */
export function money(value) {
  return isNumber(value) ? value.toFixed(2) : NOTHING;
}
