// A WebSocket that comes back: it is opened with a ticket, and again after a pause that grows when it was lost.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** Why the server closed it: who asks isn't believed any more, may not, or asks for what isn't there. */
const UNIDENTIFIED = 4401;
const FORBIDDEN = 4403;
const NOT_FOUND = 4404;

/**
 * Opens the stream at `path` (a function, if it differs each time) and keeps it open until `close()`.
 *
 * `onMessage(text)` gets each text. `onState(state, words)` is told how it stands: "connecting", "open", "waiting" (it was lost, and
 * is tried again), "refused" (this account may not have it, and it isn't tried again), "closed".
 */
export function openStream({ path, session, api, onMessage, onState }) {
  let socket = null;
  let pause = FIRST_PAUSE_MS;
  let timer = null;
  let isClosed = false;
  let attempt = 0;

  async function connect() {
    clearTimeout(timer);
    timer = null;
    const mine = (attempt += 1);
    onState("connecting");
    const { ticket, token } = await credential(session, api);
    if (isClosed || mine !== attempt) return;
    const at = typeof path === "function" ? path() : path;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const protocols = ticket ? ["micronet.v1", `micronet.ticket.${ticket}`] : ["micronet.v1"];
    socket = new WebSocket(`${scheme}//${location.host}${at}`, protocols);
    let refusal = "";
    socket.onopen = () => {
      if (!ticket && token) socket.send(JSON.stringify({ token }));
      onState("open");
    };
    socket.onmessage = ({ data }) => {
      pause = FIRST_PAUSE_MS;
      // The last text before a stream that failed is closed says why.
      if (data.startsWith('{"error":')) refusal = JSON.parse(data).error?.message ?? "";
      else onMessage(data);
    };
    socket.onclose = (event) => mine === attempt && closed(event, refusal);
  }

  async function closed({ code, reason }, refusal) {
    socket = null;
    if (isClosed) return;
    const words = refusal || reason;
    if (code === FORBIDDEN) return onState("refused", words || "This account may not see this.");
    if (code === UNIDENTIFIED && (await session.refreshed())) pause = FIRST_PAUSE_MS;
    if (code === NOT_FOUND) pause = LONGEST_PAUSE_MS;
    onState("waiting", words);
    // Not all pages come back at once.
    timer = setTimeout(connect, pause * (0.5 + Math.random() / 2));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }

  const again = () => {
    if (isClosed || !timer) return;
    pause = FIRST_PAUSE_MS;
    connect();
  };
  const seen = () => document.visibilityState === "visible" && again();
  window.addEventListener("online", again);
  document.addEventListener("visibilitychange", seen);
  connect();

  return {
    /** Says a text; whether it could be said. */
    send(text) {
      if (socket?.readyState !== WebSocket.OPEN) return false;
      socket.send(text);
      return true;
    },

    /** Tries at once, if it is waiting. */
    again,

    /** Gives up a connection that says nothing any more, for another one. */
    renew() {
      if (isClosed) return;
      leave(socket);
      connect();
    },

    /** Ends it. */
    close() {
      isClosed = true;
      clearTimeout(timer);
      window.removeEventListener("online", again);
      document.removeEventListener("visibilitychange", seen);
      leave(socket);
      onState("closed");
    },
  };
}

/** Closes a socket that nobody listens to any more; one that is not open yet, as soon as it is, since browsers complain otherwise. */
function leave(socket) {
  if (!socket) return;
  socket.onmessage = socket.onclose = null;
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}

/** What says who asks: a ticket; where there is none to be had, as for the operator, the token, as the first message. */
async function credential(session, api) {
  if (session.isOperator) return { token: await session.token() };
  try {
    const { data } = await api.post("/auth/tickets");
    return { ticket: data.ticket };
  } catch {
    return { token: await session.token() };
  }
}
