// @ts-check
/** The connection: opens, notices silence, and opens again with growing pauses, for as long as the page is open. */

/** @import { Message, Request } from "./messages.js" */

/**
 * @typedef {object} Connection what there is to say of it
 * @property {"connecting" | "open" | "lost"} phase
 * @property {number} attempts failed ones in a row
 * @property {number} retryAt milliseconds; 0 when none is due
 * @property {string} reason why it was lost, for people
 * @property {string[]} known the symbols there are, when another was asked for
 */

/** The server speaks every second: this long without a word is a dead connection. */
export const SILENCE_MS = 5000;
/** Each message says which event it follows from, and a connection may go on where another ended. */
const DIALECT = "opensqt.v2";
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

const UNKNOWN_SYMBOL = 4404;
/** @type {Record<number, string>} */
const REASONS = { 1001: "the server is stopping", 1012: "the server is restarting", 4401: "the token has expired: log in again", 4408: "this page was too slow", 4429: "this page said too much" };

const CALM = { attempts: 0, retryAt: 0, reason: "", known: /** @type {string[]} */ ([]) };

export class LiveSocket {
  /**
   * @param {() => string} address
   * @param {(message: Message) => void} onMessage
   * @param {() => void} onChange
   */
  constructor(address, onMessage, onChange) {
    this._address = address;
    this._onMessage = onMessage;
    this._onChange = onChange;
    /** @type {WebSocket | null} */
    this._socket = null;
    this._retry = 0;
    this._silence = 0;
    /** @type {Connection} */
    this.state = { ...CALM, phase: "connecting" };
    addEventListener("online", () => this._hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this._hurry());
  }

  /** Connect, anew if there is a connection. */
  open() {
    this._drop();
    this._say({ ...this.state, phase: "connecting", retryAt: 0 });
    const socket = new WebSocket(this._address(), DIALECT);
    this._socket = socket;
    this._expectWord();
    socket.onmessage = (event) => this._hear(event.data);
    socket.onclose = (event) => this._lost(event.code, event.reason);
  }

  /** Say something, if anybody hears it. @param {Request} request */
  send(request) {
    if (this._socket?.readyState === WebSocket.OPEN) this._socket.send(JSON.stringify(request));
  }

  /** @param {string} text */
  _hear(text) {
    this._expectWord();
    /** @type {Message} */
    const message = JSON.parse(text);
    if (message.type === "error") this.state = { ...this.state, reason: message.data.error, known: message.data.known };
    else if (this.state.phase !== "open") this._say({ ...CALM, phase: "open" });
    this._onMessage(message);
  }

  /** @param {number} code @param {string} reason */
  _lost(code, reason) {
    this._drop();
    const attempts = this.state.attempts + 1;
    // There is no hurry to ask again for what is not there.
    const pause = code === UNKNOWN_SYMBOL ? LONGEST_PAUSE_MS : pauseAfter(attempts);
    const isUnknown = code === UNKNOWN_SYMBOL;
    const why = isUnknown ? this.state.reason : (REASONS[code] ?? reason);
    const known = isUnknown ? this.state.known : [];
    this._retry = setTimeout(() => this.open(), pause);
    this._say({ phase: "lost", attempts, retryAt: Date.now() + pause, reason: why, known });
  }

  _expectWord() {
    clearTimeout(this._silence);
    this._silence = setTimeout(() => this._lost(0, "no word from the server"), SILENCE_MS);
  }

  /** The network is back, or somebody looks: do not wait for the pause to end. */
  _hurry() {
    if (this.state.phase === "lost") this.open();
  }

  _drop() {
    clearTimeout(this._retry);
    clearTimeout(this._silence);
    const socket = this._socket;
    this._socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {Connection} state */
  _say(state) {
    this.state = state;
    this._onChange();
  }
}

/** Twice as long after each failure, and never at the same moment as all other pages. @param {number} attempts */
function pauseAfter(attempts) {
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** (attempts - 1), LONGEST_PAUSE_MS);
  return pause * (0.75 + Math.random() / 2);
}
