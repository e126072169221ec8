// ChatOps: lines in, answers and what happens out. Earlier lines come back by the arrow keys, and words are completed by Tab.

import { completions } from "../chat.js";
import { clock } from "../ui/format.js";
import { h, keyed, setText, show, uniqueId } from "../ui/h.js";

const SUGGESTED_MAX = 8;
const STATES = { connecting: "Connecting …", waiting: "Disconnected, trying again …", closed: "Disconnected", open: "" };
const NAMES = { ack: "begun", said: "says", mine: "you" };

/** Shows the conversation. */
export function mount(element, { chat }) {
  const id = uniqueId("chat");
  const list = h("ol", { class: "chat-list" });
  const box = h("div", { class: "chat-box", role: "log", "aria-label": "Conversation", "aria-live": "polite", tabindex: "0" }, list);
  const stand = h("p", { class: "soft", role: "status" });
  const suggestions = h("div", { class: "suggestions", role: "group", "aria-label": "Completions" });
  const input = h("input", {
    id, type: "text", class: "mono", autocomplete: "off", autocapitalize: "none", spellcheck: "false", enterkeyhint: "send",
    placeholder: "help", "aria-describedby": `${id}-hint`, maxlength: 1000, on: { keydown: key, input: changed },
  });
  const send = h("button", { type: "submit", class: "primary" }, "Send");
  const line = h("form", { class: "chat-line", on: { submit: submitted } }, h("label", { for: id, class: "visually-hidden" }, "Command"), input, send);
  const hint = h("p", { class: "soft hint", id: `${id}-hint` }, "Up and Down bring earlier lines back. Tab completes; after Escape it goes on to the next field.");
  show(element, h("section", { class: "section chat-panel", "aria-label": "ChatOps" }, box, stand, suggestions, line, hint));

  let at = chat.history.length;
  let draft = "";
  let offered = [];

  function submitted(event) {
    event.preventDefault();
    say(input.value.trim());
  }

  function say(text) {
    if (!text || !chat.say(text)) return;
    input.value = "";
    [at, draft] = [chat.history.length, ""];
    offer([]);
    box.scrollTop = box.scrollHeight;
  }

  function changed() {
    draft = input.value;
    at = chat.history.length;
    offer(input.value ? completions(input.value, chat) : []);
  }

  function key(event) {
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      at = Math.max(0, Math.min(chat.history.length, at + (event.key === "ArrowUp" ? -1 : 1)));
      input.value = chat.history[at] ?? draft;
      offer([]);
    } else if (event.key === "Tab" && !event.shiftKey && offered.length) {
      event.preventDefault();
      take(common(offered));
    } else if (event.key === "Escape") {
      offer([]);
    }
  }

  function take(text) {
    const isWhole = offered.length === 1;
    input.value = isWhole ? `${text} ` : text;
    input.focus();
    changed();
  }

  function offer(lines) {
    offered = lines;
    keyed(suggestions, lines.slice(0, SUGGESTED_MAX), {
      key: (of) => of,
      make: (of) => h("button", { type: "button", tabindex: "-1", class: "mono", on: { click: () => ((offered = [of]), take(of)) } }, of.split(/\s+/).at(-1)),
    });
  }

  function refresh() {
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    keyed(list, chat.messages, { key: (of) => of.key, make: (of) => message(of, say) });
    setText(stand, chat.state === "refused" ? `ChatOps is not available: ${chat.words}` : (STATES[chat.state] ?? ""));
    stand.hidden = !stand.textContent;
    send.disabled = chat.state !== "open";
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  }

  chat.open();
  const end = chat.subscribe(refresh);
  refresh();
  box.scrollTop = box.scrollHeight;
  return end;
}

function message({ kind, message: text, timestamp, from, execution, data, isMine }, say) {
  const who = isMine ? "" : [from, NAMES[kind] ?? (kind === "answer" || kind === "result" || kind === "greeting" ? "" : kind)].filter(Boolean).join(" · ");
  const item = h("li", { class: `chat-message ${kind}`, dataset: { kind, execution: execution ?? "" } },
    h("p", { class: "chat-meta" }, h("time", {}, clock(timestamp)), isMine ? h("span", { class: "visually-hidden" }, "You") : h("span", {}, who)),
    h("pre", {}, text));
  if (kind === "confirm") item.append(question(data, text, say));
  return item;
}

/** The buttons of a question; once one is pressed, or the time is over, there is nothing to press any more. */
function question(data, text, say) {
  const code = data?.code ?? /yes (\w+)/.exec(text)?.[1] ?? "";
  const answer = (word) => {
    say(`${word} ${code}`.trim());
    for (const button of buttons.children) button.disabled = true;
  };
  const buttons = h("div", { class: "row" },
    h("button", { type: "button", class: "danger", on: { click: () => answer("yes") } }, "Yes, do it"),
    h("button", { type: "button", on: { click: () => answer("no") } }, "No"));
  if (data?.expires_s) setTimeout(() => buttons.remove(), data.expires_s * 1000);
  return buttons;
}

/** What all of these lines begin with. */
function common(lines) {
  let [prefix, ...others] = lines;
  for (const other of others) while (!other.startsWith(prefix)) prefix = prefix.slice(0, -1);
  return prefix;
}
