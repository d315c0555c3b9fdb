// @ts-check
/** Up to where the page knows each stream, so that a new connection goes on from there instead of starting anew. */

/** @import { Message, StreamPosition } from "./messages.js" */

export class Positions {
  constructor() {
    this.forget();
  }

  /** Nothing that was heard holds: the next connection starts anew. */
  forget() {
    /** @type {Map<string, StreamPosition>} */
    this._streams = new Map();
    /** What was shown, by its exact names. @type {Record<string, string>} */
    this._shown = {};
  }

  /** Take note of a message; tell whether it is news. @param {Message} message */
  take(message) {
    if (message.replayed) return true;
    if (message.type === "snapshot" || message.type === "streams") {
      this._streams = new Map(Object.entries(message.data.streams));
      if (message.type === "snapshot" && message.data.markets.length) this._shown = { ...message.data.markets[0] };
      return true;
    }
    const [stream, number] = (message.seq ?? "").split(":");
    const position = this._streams.get(stream);
    if (!position) return true;
    if (Number(number) <= position.sequence) return false;
    this._streams.set(stream, { ...position, sequence: Number(number) });
    return true;
  }

  /** What a handshake says to go on; null when there is nothing to go on from. @returns {URLSearchParams | null} */
  query() {
    if (!this._streams.size || !this._shown.symbol) return null;
    const query = new URLSearchParams(this._shown);
    for (const [stream, { created, sequence }] of this._streams) query.append("resume", `${stream}:${sequence}:${created}`);
    return query;
  }
}
