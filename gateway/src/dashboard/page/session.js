// Who is signed in, in this tab.
//
// Tokens are kept in sessionStorage: a reload doesn't sign out, and closing the tab forgets them; other tabs don't have them, and no
// foreign script can read them, since the content policy runs none. They never stand in an address: WebSockets get a ticket.

const KEPT = "micronet.session";
/** An access token is renewed when it is good for no longer than this. */
const RENEW_MS = 30_000;
/** Another tab of the session has so long to say that it has newer tokens. */
const TOLD_MS = 100;

/** A session of this tab, perhaps one from before a reload. `changed` is called when somebody signs in or out, or may do other things. */
export function createSession() {
  const listeners = new Set();
  let current = kept();
  let renewal = null;
  let hasEnded = false;

  // A tab that is duplicated takes a copy along. A refresh token is good once, and shown twice it ends the session: so tabs of one
  // session tell each other of new tokens, and ask each other for them before they get some themselves.
  const tabs = new BroadcastChannel("micronet.session");
  tabs.onmessage = ({ data }) => {
    if (!current || data.session !== current.session) return;
    if (data.ended) adopt(null);
    else if (data.asks) current.expiresAt > data.expiresAt && tabs.postMessage(current);
    else if (data.expiresAt > current.expiresAt) adopt(data, { quiet: true });
  };

  function adopt(next, { quiet = false } = {}) {
    const before = current;
    current = next;
    if (next) {
      hasEnded = false;
      sessionStorage.setItem(KEPT, JSON.stringify(next));
    } else sessionStorage.removeItem(KEPT);
    const isOther = before?.session !== next?.session || String(before?.permissions) !== String(next?.permissions);
    if (isOther || !quiet) for (const listener of listeners) listener();
  }

  /** One tab at a time, where the browser can see to it: the tokens of tabs that were duplicated expire together. */
  function renew() {
    const before = current;
    if (!before?.refresh) return Promise.resolve(false);
    const turn = async () => {
      tabs.postMessage({ session: before.session, asks: true, expiresAt: before.expiresAt });
      await new Promise((resume) => setTimeout(resume, TOLD_MS));
      return current === before ? exchange(before) : current?.session === before.session;
    };
    return navigator.locks ? navigator.locks.request(KEPT, turn) : turn();
  }

  async function exchange(before) {
    const { status, data } = await post("/auth/refresh", { refresh_token: before.refresh });
    if (current !== before) return current !== null && current.session === before.session;
    if (data) {
      const next = ofTokens(data);
      tabs.postMessage(next);
      adopt(next, { quiet: true });
      return true;
    }
    // Only a refusal ends a session: that nobody could be asked says nothing about it.
    if (status === 401 || status === 403) {
      hasEnded = true;
      adopt(null);
    }
    return false;
  }

  const session = {
    /** Whether somebody is signed in. */
    get isSignedIn() {
      return current !== null;
    },

    /** Whether it is by the operator's token, to which no account belongs. */
    get isOperator() {
      return current !== null && !current.refresh;
    },

    /** Whether the session was ended by somebody else: it expired, or was taken back. */
    get hasEnded() {
      return hasEnded;
    },

    /** Who: `{email, full_name, …}` as `/auth/me` tells; of the operator, a name only. */
    get account() {
      return current?.account ?? null;
    },

    /** What they are called in this page. */
    get name() {
      return current?.account?.full_name ?? "";
    },

    /** The role in a word: who controls the network is a manager, who looks at it is a client. */
    get role() {
      return session.may("control:write") ? "manager" : "client";
    },

    /** Whether a permission (`control:write`) was given. The server decides; the page leaves out what it would refuse. */
    may(permission) {
      const [area] = permission.split(":");
      return (current?.permissions ?? []).some((given) => given === "*" || given === `${area}:*` || given === permission);
    },

    /** An access token that is good for a while, or nothing. */
    async token() {
      if (current?.expiresAt && current.expiresAt - Date.now() < RENEW_MS) await session.refreshed();
      return current?.access ?? null;
    },

    /** Gets a new access token, once for all who ask at the same time; whether there is one. */
    refreshed() {
      renewal ??= renew().finally(() => (renewal = null));
      return renewal;
    },

    /** Signs in; throws an `Error` with words for people. */
    async signIn(email, password) {
      const { status, data, error, retryAfter } = await post("/auth/login", { email, password });
      if (data) return adopt(ofTokens(data));
      if (status === 401) throw new Error("The e-mail address or the password is not right.");
      if (status === 429) throw new Error(`Too many attempts. Try again in ${retryAfter ?? "some"} seconds.`);
      throw new Error(error?.message ?? "Nobody can sign in right now: the gateway does not answer.");
    },

    /** Takes the operator's token, which needs no account. */
    async signInAsOperator(token) {
      const response = await fetch("/api/v1/control/processes", { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" }).catch(() => null);
      if (!response) throw new Error("The gateway does not answer.");
      if (response.status === 401 || response.status === 403) throw new Error("This is not the operator's token.");
      if (!response.ok) throw new Error(`The control service answers ${response.status}.`);
      adopt({ access: token, session: "operator", account: { full_name: "Operator" }, permissions: ["*"] });
    },

    /** Ends the session, here and at the server. */
    async signOut() {
      const { access, refresh, session: name } = current ?? {};
      if (!access) return;
      adopt(null);
      tabs.postMessage({ session: name, ended: true });
      if (refresh) await post("/auth/logout", { refresh_token: refresh });
    },

    /** Calls `listener` when somebody has signed in or out; gives what ends that. */
    changed(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return session;
}

function ofTokens({ access_token, refresh_token, expires_in, session, account, permissions }) {
  return { access: access_token, refresh: refresh_token, expiresAt: Date.now() + expires_in * 1000, session, account, permissions };
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

async function post(path, body) {
  try {
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), cache: "no-store", credentials: "omit" });
    const { data, error } = await response.json();
    return { status: response.status, data, error, retryAfter: response.headers.get("Retry-After") };
  } catch {
    return { status: 0 };
  }
}
