// @ts-check
/** Cursors into the event streams, from which a new connection can resume. */

/** @import { Message, StreamCursor } from "../messages.js" */

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
