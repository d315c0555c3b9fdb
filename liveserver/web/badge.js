// @ts-check
/** The badge: whether what is shown is live, from which server, and how old it is. */

/** @import { Connection } from "./socket.js" */
/** @import { Store } from "./store.js" */
import { byId, make, setChildren, setData, setText } from "./dom.js";
import { duration } from "./format.js";

/** Market data older than this are stale: a grid is priced from every tick. */
const STALE_MS = 10000;

/** @param {Store} store @param {Connection} connection @param {number} now milliseconds */
export function renderBadge(store, connection, now) {
  const { state, text } = written(store, connection, now);
  setData(byId("badge"), "state", state);
  setText(byId("badge-text"), text);
  setText(byId("replica"), store.server?.replica ?? "");
  const waiting = byId("waiting");
  waiting.hidden = store.bars.all.length > 0;
  if (!waiting.hidden) setChildren(waiting, [make("span", "", waitingFor(connection)), ...connection.known.map(linkTo)]);
}

/** @param {Connection} connection */
function waitingFor(connection) {
  if (connection.known.length) return "There is no such symbol here. There is:";
  return connection.reason ? capital(connection.reason) : "Waiting for data";
}

/** @param {string} symbol */
function linkTo(symbol) {
  const link = /** @type {HTMLAnchorElement} */ (make("a", "", symbol));
  link.href = `?symbol=${encodeURIComponent(symbol)}`;
  return link;
}

/** @param {Store} store @param {Connection} connection @param {number} now @returns {{ state: string, text: string }} */
function written(store, connection, now) {
  const age = now - store.heardAt;
  if (connection.known.length) return { state: "lost", text: "no such symbol" };
  if (connection.phase === "lost") {
    const left = Math.max(0, Math.ceil((connection.retryAt - now) / 1000));
    return { state: "lost", text: `disconnected · again in ${left} s` };
  }
  if (connection.phase === "connecting") return { state: connection.attempts ? "lost" : "connecting", text: "connecting" };
  if (store.server?.status === "cut") return { state: "stale", text: "the server has lost the bus" };
  if (store.isReplaying) return { state: "replay", text: `replay · ${store.replay?.state}` };
  if (!store.isKnown) return { state: "connecting", text: "waiting for data" };
  if (age > STALE_MS) return { state: "stale", text: `no data for ${duration(age / 1000)}` };
  return { state: "live", text: `live · ${duration(age / 1000)} old` };
}

/** @param {string} text */
function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
