// Where the page is: `#/name/part?key=value`. The server is never told, so that what stands there is nobody else's.

/** What an address says: `{name, parts, query}`. */
export function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?", 2);
  const decoded = path.split("/").filter(Boolean).map(decode);
  return { name: decoded[0] ?? "", parts: decoded.slice(1), query: new URLSearchParams(query ?? "") };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a place: `link("why", [id], {service})`. */
export function link(name, parts = [], query = {}) {
  const path = [name, ...parts].map(encodeURIComponent).join("/");
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(given).toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

/** Calls `arrive(route)` now and whenever the address changes. */
export function routes(arrive) {
  const changed = () => arrive(parse(location.hash));
  window.addEventListener("hashchange", changed);
  changed();
}

/** Goes to an address of the page (`#/…`, as `link` makes it); with `replace`, without a step back. */
export function navigate(address, { replace = false } = {}) {
  if (location.hash === address) return;
  if (replace) {
    history.replaceState(null, "", address);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = address;
  }
}
