// @ts-check
/** The WebSocket connection: detects a silent server, reconnects with back-off, and resumes from its cursors. */

/** @import { Message, Request, StreamCursor } from "../messages.js" */
import { SilenceWatch } from "../model/liveness.js";

/**
 * @typedef {object} Connection the state of the connection
 * @property {"connecting" | "open" | "lost"} phase
 * @property {number} attempts consecutive failures
 * @property {number} retryAt time of the next attempt in milliseconds since the epoch; 0 if none is scheduled
 * @property {string} reason why it was lost, as text for the user; the text of an `error` message also while it is open
 * @property {string[]} known the known symbols, if an unknown one was requested
 * @property {number} startedAt time when the page was opened, in milliseconds since the epoch
 * @property {number} lastMessageAt time of the last message, in milliseconds since the epoch; 0 before the first
 * @property {number} silentMs time without a message in which one could have been read
 */

/** The server sends a message every second: after this long without one a new connection is tried. */
const MAX_SILENCE_MS = 5000;
/** The protocol version whose messages carry sequences, so that a connection can be resumed. */
const SUBPROTOCOL = "opensqt.v2";
const FIRST_DELAY_MS = 250;
/** The longest delay before an attempt, without jitter. */
const MAX_DELAY_MS = 5000;
/** The share of a delay within which it varies: 0.5 means 75 to 125 %. */
const JITTER = 0.5;

const UNKNOWN_SYMBOL = 4404;
/** Explanations of close codes. @type {Record<number, string>} */
const CLOSE_REASONS = {
  1001: "the server is stopping",
  1012: "the server is restarting",
  4401: "the token has expired: log in again",
  4408: "this page received messages too slowly",
  4429: "this page sent too many messages",
};

const NO_FAILURE = { attempts: 0, retryAt: 0, reason: "", known: /** @type {string[]} */ ([]) };

export class LiveSocket {
  #address;
  #onChange;
  /** @type {WebSocket | null} */
  #socket = null;
  #retryTimer = 0;
  #silence = new SilenceWatch();
  /** @type {Connection} */
  state = { ...NO_FAILURE, phase: "connecting", startedAt: Date.now(), lastMessageAt: 0, silentMs: 0 };

  /**
   * @param {() => string} address
   * @param {(message: Message) => void} onMessage
   * @param {() => void} onChange
   */
  constructor(address, onMessage, onChange) {
    this.#address = address;
    this.onMessage = onMessage;
    this.#onChange = onChange;
    addEventListener("online", () => this.#reconnectNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.#reconnectNow());
  }

  /** Connect; replace an existing connection. */
  open() {
    this.#drop();
    this.#setState({ ...this.state, phase: "connecting", retryAt: 0 });
    const socket = new WebSocket(this.#address(), SUBPROTOCOL);
    this.#socket = socket;
    this.#silence.heard(Date.now());
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.handleClose(event.code, event.reason);
  }

  /** Send a request; dropped if not connected. @param {Request} request */
  send(request) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(request));
  }

  /** Drop the connection and schedule the next attempt. @param {number} code @param {string} reason */
  handleClose(code, reason) {
    this.#drop();
    const attempts = this.state.attempts + 1;
    const isUnknown = code === UNKNOWN_SYMBOL;
    // Retrying an unknown symbol quickly is of no use.
    const delay = isUnknown ? MAX_DELAY_MS : retryDelay(attempts);
    this.#retryTimer = setTimeout(() => this.open(), delay);
    this.#setState({
      ...this.state,
      phase: "lost",
      attempts,
      retryAt: Date.now() + delay,
      reason: isUnknown ? this.state.reason : (CLOSE_REASONS[code] ?? reason),
      known: isUnknown ? this.state.known : [],
    });
  }

  /** @param {string} text */
  #receive(text) {
    const now = Date.now();
    this.#silence.heard(now);
    this.state.lastMessageAt = now;
    this.state.silentMs = 0;
    /** @type {Message} */
    const message = JSON.parse(text);
    if (message.type === "error") this.state = { ...this.state, reason: message.data.error, known: message.data.known };
    else if (this.state.phase !== "open") this.#setState({ ...this.state, ...NO_FAILURE, phase: "open" });
    this.onMessage(message);
  }

  /** Notice a silent server; call about twice a second. @param {number} now milliseconds since the epoch */
  tick(now) {
    this.#silence.tick(now);
    this.state.silentMs = this.#silence.silentFor(now);
    if (this.#socket && this.state.silentMs > MAX_SILENCE_MS) this.handleClose(0, "the live server is silent");
  }

  /** Skip the delay: the network is back, or the page became visible. */
  #reconnectNow() {
    if (this.state.phase === "lost") this.open();
  }

  #drop() {
    clearTimeout(this.#retryTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {Connection} state */
  #setState(state) {
    this.state = state;
    this.#onChange();
  }
}

/** The delay in milliseconds before the next attempt: exponential, with jitter so that pages do not reconnect at the same moment. @param {number} attempts consecutive failures */
function retryDelay(attempts) {
  const delay = Math.min(FIRST_DELAY_MS * 2 ** (attempts - 1), MAX_DELAY_MS);
  return delay * (1 + JITTER * (Math.random() - 0.5));
}

/** Cursors into the event streams, from which a new connection can resume. */
export class Cursors {
  /** @type {Map<string, StreamCursor>} */
  #streams = new Map();
  /** The market that the snapshot was for, by its exact names. @type {Record<string, string>} */
  #market = {};

  /** Forget all cursors: the next connection starts with a snapshot. */
  reset() {
    this.#streams = new Map();
    this.#market = {};
  }

  /** Advance to a message; return whether it is new. @param {Message} message */
  advance(message) {
    if (message.replayed) return true;
    if (message.type === "snapshot" || message.type === "streams") {
      this.#streams = new Map(Object.entries(message.data.streams));
      if (message.type === "snapshot" && message.data.markets.length) this.#market = { ...message.data.markets[0] };
      return true;
    }
    // For example "ORDERS:1042".
    const [stream, number] = (message.seq ?? "").split(":");
    const cursor = this.#streams.get(stream);
    if (!cursor) return true;
    if (Number(number) <= cursor.sequence) return false;
    this.#streams.set(stream, { ...cursor, sequence: Number(number) });
    return true;
  }

  /** The handshake's query to resume, such as `symbol=...&resume=ORDERS:1042:2026-...`; null without a cursor. @returns {URLSearchParams | null} */
  query() {
    if (!this.#streams.size || !this.#market.symbol) return null;
    const query = new URLSearchParams(this.#market);
    for (const [stream, { created, sequence }] of this.#streams) query.append("resume", `${stream}:${sequence}:${created}`);
    return query;
  }
}
