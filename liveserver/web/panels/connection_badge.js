// @ts-check
/** The connection badge, the placeholder of an empty chart, and the dimming of what is out of date. */

/** @import { Connection } from "../api/socket.js" */
/** @import { Liveness } from "../model/liveness.js" */
/** @import { Store } from "../model/store.js" */
import { byId, make, setChildren, setData, setText } from "../dom.js";
import { capitalized } from "../format.js";

/** @param {Store} store @param {Connection} connection @param {Liveness} liveness */
export function renderConnectionBadge(store, connection, liveness) {
  setData(byId("badge"), "state", liveness.state);
  setText(byId("badge-text"), liveness.text);
  setText(byId("replica"), store.server?.replica ?? "");
  setData(document.body, "stale", liveness.stale);
  const waiting = byId("waiting");
  waiting.hidden = store.bars.all.length > 0;
  if (!waiting.hidden) setChildren(waiting, [make("span", "", placeholderFor(store, connection)), ...connection.known.map(linkTo)]);
}

/** @param {Store} store @param {Connection} connection */
function placeholderFor(store, connection) {
  if (connection.known.length) return "Unknown symbol. Known symbols:";
  if (store.isReplaying) return "No candles are kept for this time.";
  return connection.reason ? capitalized(connection.reason) : "Waiting for data";
}

/** @param {string} symbol */
function linkTo(symbol) {
  const link = /** @type {HTMLAnchorElement} */ (make("a", "", symbol));
  link.href = `?symbol=${encodeURIComponent(symbol)}`;
  return link;
}
