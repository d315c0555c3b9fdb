// @ts-check
/** Whether the shown data is live, by the page's own clock: a silent server cannot report its own silence. */

/** @import { Connection } from "../api/socket.js" */
/** @import { Store } from "./store.js" */
import { clock, day, duration, factor } from "../format.js";

/** The server sends a message every second: without one for this long, nothing on the page is live. */
export const MAX_SILENCE_MS = 3000;
/** After a lost connection, a reconnection within this time changes nothing but the badge. */
const MAX_INTERRUPTION_MS = 1500;
/** After this time without a connection, "reconnecting" becomes "disconnected". */
const MAX_RECONNECTING_MS = 15000;
/** Age of the newest price from which it is marked as stale. */
const STALE_PRICE_MS = 10000;
/** Timers that fire this late were throttled in a background tab, or the machine slept. */
const MAX_TICK_GAP_MS = 2000;

/** Measures how long the server has been silent, without the time in which the page itself could not read. */
export class SilenceWatch {
  #heardAt = 0;
  #tickedAt = 0;
  #readableSince = 0;
  /** Consecutive late ticks without a message between them. */
  #lateTicks = 0;

  /** A message was received, or a connection attempt started. @param {number} now milliseconds since the epoch */
  heard(now) {
    this.#heardAt = now;
    this.#lateTicks = 0;
  }

  /** Call about twice a second. @param {number} now milliseconds since the epoch */
  tick(now) {
    const gap = now - this.#tickedAt;
    this.#tickedAt = now;
    if (gap >= 0 && gap <= MAX_TICK_GAP_MS) return;
    this.#lateTicks += 1;
    // After one late tick messages may still wait to be read; after another one they would have been.
    if (this.#lateTicks === 1) this.#readableSince = now;
  }

  /** @param {number} now milliseconds since the epoch @returns {number} milliseconds */
  silentFor(now) {
    return Math.max(0, now - Math.max(this.#heardAt, this.#readableSince));
  }
}

/**
 * @typedef {object} Liveness
 * @property {"connecting" | "live" | "recording" | "stale" | "reconnecting" | "disconnected" | "replay"} state
 * @property {string} text the state for the badge
 * @property {string} problem why nothing on the page is live, as a sentence; empty if it is
 * @property {string} lock why no command can be given, as a sentence; empty if one can
 * @property {string} stale what is out of date, as words: `all`, or some of `market`, `trading`, `account`
 */

/** @param {Store} store @param {Connection} connection @param {number} now milliseconds since the epoch @returns {Liveness} */
export function livenessOf(store, connection, now) {
  const lost = lostConnection(connection, now);
  if (lost) return lost;
  if (store.server?.status === "cut") {
    const problem = "The live server has no connection to the bus: what is shown may be out of date.";
    return { state: "stale", text: "no connection to the bus", problem, lock: "The bus cannot be reached: no command can be given.", stale: "all" };
  }
  if (store.isReplaying) {
    const lock = "A replay of the past is shown, and commands act on the present: go back to live data first.";
    return { state: "replay", text: `replay · ${store.replay?.state}`, problem: "", lock, stale: "" };
  }
  if (!store.isKnown || !store.status) {
    return { state: "connecting", text: "waiting for data", problem: "", lock: "No symbol is shown yet.", stale: "" };
  }
  const lock = store.status.blocked === "bus_silent" ? "The bus does not answer: no command can be given." : "";
  return { ...shownData(store, now), problem: "", lock };
}

/** The state while there is no connection, or a silent one; null while there is one. @param {Connection} connection @param {number} now @returns {Liveness | null} */
function lostConnection(connection, now) {
  if (connection.known.length) {
    return { state: "disconnected", text: "unknown symbol", problem: "", lock: "No symbol is shown.", stale: "" };
  }
  const isOpen = connection.phase === "open";
  if (isOpen && connection.silentMs < MAX_SILENCE_MS) return null;
  const since = connection.lastMessageAt || connection.startedAt;
  const downMs = Math.max(0, now - since);
  const isFirst = !connection.lastMessageAt && !connection.attempts;
  if (isFirst && downMs < MAX_SILENCE_MS) return { state: "connecting", text: "connecting", problem: "", lock: "Not connected yet.", stale: "" };
  const at = `${clock(since)} UTC`;
  const reason = isOpen ? "the live server is silent" : connection.reason || "the live server does not answer";
  const isShort = !isOpen && downMs < MAX_INTERRUPTION_MS;
  const lock = `Not live since ${at}: ${reason}. No command can be given.`;
  const problem = isShort ? "" : `Not live since ${at}: ${reason}. The page reconnects by itself.`;
  const stale = isShort ? "" : "all";
  if (isOpen) return { state: "stale", text: `silent since ${at}`, problem, lock, stale };
  if (downMs < MAX_RECONNECTING_MS && navigator.onLine) return { state: "reconnecting", text: "reconnecting", problem, lock, stale };
  return { state: "disconnected", text: `disconnected since ${at}`, problem, lock, stale };
}

/** Whether the price of the shown symbol is new, and which parts of its data are. @param {Store} store @param {number} now */
function shownData(store, now) {
  const age = store.priceAge(now);
  const isPriceStale = age !== null && age > STALE_PRICE_MS;
  const stale = [...staleBy(store), ...(isPriceStale ? ["market"] : [])].join(" ");
  if (isPriceStale) return { state: /** @type {const} */ ("stale"), text: `price ${duration(age / 1000)} old`, stale };
  const { recording = "", recording_speed: speed = null } = store.status ?? {};
  if (recording) {
    const date = store.marketTime ? [day(store.marketTime)] : [];
    const text = [`recording ${recording}`, ...date, speed ? factor(speed) : "lock-step"].join(", ");
    return { state: /** @type {const} */ ("recording"), text, stale };
  }
  return { state: /** @type {const} */ ("live"), text: age === null ? "live" : `live · price ${duration(age / 1000)} old`, stale };
}

/** What cannot be relied on while a part is silent, by its code in `status`. @type {Record<string, string[]>} */
const STALE_BY_CODE = {
  engine_silent: ["trading"],
  gateway_silent: ["trading"],
  account_silent: ["account"],
  market_silent: ["market"],
  venue_unreachable: ["market", "trading", "account"],
  bus_silent: ["all"],
};

/** @param {Store} store @returns {string[]} */
function staleBy(store) {
  const { blocked = null, feed } = store.status ?? {};
  const byPart = blocked ? (STALE_BY_CODE[blocked] ?? ["trading"]) : [];
  return feed === "down" ? [...byPart, "market"] : byPart;
}
