// @ts-check
/** The connection badge: whether the data is live, its age, and the server it comes from. */

/** @import { Connection } from "../api/socket.js" */
/** @import { Store } from "../model/store.js" */
import { byId, make, setChildren, setData, setText } from "../dom.js";
import { duration } from "../format.js";

/** Age of market data from which it is marked as stale. */
const STALE_AGE_MS = 10000;

/** @param {Store} store @param {Connection} connection @param {number} now milliseconds */
export function renderConnectionBadge(store, connection, now) {
  const { state, text } = describe(store, connection, now);
  setData(byId("badge"), "state", state);
  setText(byId("badge-text"), text);
  setText(byId("replica"), store.server?.replica ?? "");
  const waiting = byId("waiting");
  waiting.hidden = store.bars.all.length > 0;
  if (!waiting.hidden) setChildren(waiting, [make("span", "", placeholderFor(connection)), ...connection.known.map(linkTo)]);
}

/** @param {Connection} connection */
function placeholderFor(connection) {
  if (connection.known.length) return "Unknown symbol. Known symbols:";
  return connection.reason ? capitalized(connection.reason) : "Waiting for data";
}

/** @param {string} symbol */
function linkTo(symbol) {
  const link = /** @type {HTMLAnchorElement} */ (make("a", "", symbol));
  link.href = `?symbol=${encodeURIComponent(symbol)}`;
  return link;
}

/** @param {Store} store @param {Connection} connection @param {number} now @returns {{ state: string, text: string }} */
function describe(store, connection, now) {
  const age = now - store.lastMessageAt;
  if (connection.known.length) return { state: "lost", text: "unknown symbol" };
  if (connection.phase === "lost") {
    const left = Math.max(0, Math.ceil((connection.retryAt - now) / 1000));
    return { state: "lost", text: `disconnected · retry in ${left} s` };
  }
  if (connection.phase === "connecting") return { state: connection.attempts ? "lost" : "connecting", text: "connecting" };
  if (store.server?.status === "cut") return { state: "stale", text: "the server is disconnected from the bus" };
  if (store.isReplaying) return { state: "replay", text: `replay · ${store.replay?.state}` };
  if (!store.isKnown) return { state: "connecting", text: "waiting for data" };
  if (age > STALE_AGE_MS) return { state: "stale", text: `no data for ${duration(age / 1000)}` };
  return { state: "live", text: `live · ${duration(age / 1000)} old` };
}

/** @param {string} text */
function capitalized(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
