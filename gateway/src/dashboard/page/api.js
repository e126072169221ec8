// Requests to the gateway: with the token, which is refreshed when it has expired, and with errors as the envelope tells them.

/** Why a request failed: `status` 0 where there was no answer. */
export class ApiError extends Error {
  constructor({ status, code, message, details, requestId }) {
    super(message);
    Object.assign(this, { name: "ApiError", status, code, details, requestId });
  }

  /** Whether the service could not be reached, which another try may find otherwise. */
  get isAway() {
    return this.status === 0 || this.status === 503;
  }
}

/** No answer for so long is none. Restarts of a service answer when they are over. */
const PATIENCE_MS = 60_000;

/**
 * The API as somebody with this session sees it. Its methods take a path and answer `{data, pagination, meta, status, instance, tookMs}`,
 * or throw an `ApiError`.
 */
export function createApi(session) {
  async function send(method, path, body, options) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const token = options.anonymous ? null : await session.token();
    if (token) headers.Authorization = `Bearer ${token}`;
    const began = performance.now();
    const response = await answered(path, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", credentials: "omit",
      signal: AbortSignal.timeout(options.patienceMs ?? PATIENCE_MS),
    });
    const tookMs = performance.now() - began;
    const envelope = await json(response);
    if (response.ok && envelope?.success !== false) return told(response, envelope, tookMs);
    throw failure(response, envelope);
  }

  async function call(method, path, body, options = {}) {
    try {
      return await send(method, path, body, options);
    } catch (error) {
      // It has expired on the way, or was taken back: once more with a new one.
      const canRefresh = error.status === 401 && !options.anonymous && (await session.refreshed());
      if (!canRefresh) throw error;
      return await send(method, path, body, options);
    }
  }

  return {
    get: (path, options) => call("GET", path, undefined, options),
    post: (path, body, options) => call("POST", path, body, options),
    put: (path, body, options) => call("PUT", path, body, options),
    delete: (path, options) => call("DELETE", path, undefined, options),
  };
}

/** A path with a query: parameters without a value are left out. */
export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

async function answered(path, request) {
  try {
    return await fetch(path, request);
  } catch (error) {
    const words = error.name === "TimeoutError" ? "The gateway has not answered in time." : "The gateway can't be reached.";
    throw new ApiError({ status: 0, code: "UNREACHABLE", message: words });
  }
}

async function json(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

function told(response, envelope, tookMs) {
  const { data, pagination, meta } = envelope ?? {};
  return { data, pagination, meta, status: response.status, instance: response.headers.get("X-Micronet-Instance"), tookMs };
}

function failure(response, envelope) {
  const error = envelope?.error ?? {};
  return new ApiError({
    status: response.status,
    code: error.code ?? `HTTP_${response.status}`,
    message: error.message ?? `The gateway answered ${response.status}.`,
    details: error.details,
    requestId: response.headers.get("X-Request-ID"),
  });
}
