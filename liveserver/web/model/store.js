// @ts-check
/** The state of the shown symbol, folded from messages. No DOM; the caller passes the time. */

/** @import { Reason } from "../api/reasons.js" */
/** @import { Account, Correction, Grid, Message, Notice, Order, OrderReport, PartState, Position, Replay, RiskAlert, RiskStatus, Server, Status, SymbolEntry, Ticker, Trade } from "../messages.js" */
import { Bars, decimalPlaces } from "./bars.js";

/** @typedef {"bars" | "orders" | "trades" | "position" | "account" | "grid" | "risk" | "notices" | "price" | "status" | "server" | "symbols" | "replay" | "liveness"} Part */

/** A new own trade: of the shown symbol, or, without `trade`, of another one. @typedef {{ symbol: string, side: "buy" | "sell", trade: Trade | null }} NewFill */

const MAX_TRADES = 500;
const MAX_NOTICES = 200;
/** The number of ended orders that are remembered, so that a late report does not reopen one. */
const MAX_ENDED_ORDERS = 2000;

/** The states of orders that are no longer open. */
const ENDED = new Set(["FILLED", "CANCELED", "EXPIRED", "REJECTED"]);

/** @type {Part[]} */
const MARKET_PARTS = ["bars", "orders", "trades", "position", "account", "grid", "risk", "notices", "price", "status"];

export class Store {
  /** @type {Set<Part>} */
  #changed = new Set(MARKET_PARTS);
  /** @type {Set<string>} */
  #endedOrders = new Set();
  /** @type {NewFill[]} */
  #newFills = [];
  /** The local time when the ticker was received, in milliseconds. */
  #tickerAt = 0;

  /** @type {SymbolEntry[]} */
  symbols = [];
  /** @type {Server | null} */
  server = null;
  /** The parts of the stack that are not well, with the local time in milliseconds since when. @type {(PartState & { since: number })[]} */
  wrongParts = [];
  /** The state of the replay, or why it was refused. @type {Replay | null} */
  replay = null;
  /** The time that the replay shows, in seconds since the epoch; 0 without one. */
  replayAt = 0;
  /** Explanations of `grid.not_quoting`, by code. @type {Map<string, Reason>} */
  reasons = new Map();

  bars = new Bars();
  /** @type {Map<string, Order>} */
  orders = new Map();
  /** Own trades, oldest first. @type {Trade[]} */
  trades = [];
  /** @type {Position | null} */
  position = null;
  /** @type {Map<string, Account>} */
  accounts = new Map();
  /** @type {Grid | null} */
  grid = null;
  /** @type {RiskStatus | null} */
  risk = null;
  /** Oldest first. @type {Notice[]} */
  notices = [];
  /** Differences from the venue's position that were booked without a fill, oldest first. @returns {Correction[]} */
  get corrections() {
    return this.notices.flatMap((notice) => (notice.type === "position_corrected" ? [notice.data] : []));
  }

  /** @type {Ticker | null} */
  ticker = null;
  /** @type {Status | null} */
  status = null;
  /** Whether the market's history was received since the last `clear`. */
  isKnown = false;

  /** Clear the market's state, before a snapshot. */
  clear() {
    this.bars = new Bars();
    this.orders = new Map();
    this.#endedOrders = new Set();
    this.trades = [];
    this.position = null;
    this.accounts = new Map();
    this.grid = null;
    this.risk = null;
    this.notices = [];
    this.ticker = null;
    this.status = null;
    this.isKnown = false;
    this.#markChanged(...MARKET_PARTS);
  }

  /** Whether a replay is shown, also while it is paused or at its end. */
  get isReplaying() {
    return ["playing", "paused", "ended"].includes(this.replay?.state ?? "");
  }

  endReplay() {
    this.replay = null;
    this.replayAt = 0;
    this.#markChanged("replay");
  }

  /** The connection, or the age of the data, has changed what is to be shown. */
  markLivenessChanged() {
    this.#markChanged("liveness");
  }

  /** @param {Map<string, Reason>} reasons by code */
  setReasons(reasons) {
    this.reasons = reasons;
    this.#markChanged("grid");
  }

  /**
   * The newest price: the ticker's; in a replay the grid's, if that is newer; else the last close.
   * @returns {number | null}
   */
  get price() {
    const { ticker, grid } = this;
    const isGridNewer = this.isReplaying && grid !== null && grid.price !== null && (!ticker || grid.time > ticker.time);
    if (isGridNewer) return Number(grid.price);
    if (ticker) return Number(ticker.last);
    return this.bars.last?.close ?? null;
  }

  /** The age of the ticker in milliseconds; null without one. @param {number} now milliseconds since the epoch @returns {number | null} */
  priceAge(now) {
    return this.ticker && (this.ticker.age_ms ?? 0) + Math.max(0, now - this.#tickerAt);
  }

  /** The market's time in milliseconds since the epoch, which in a recording is not the local time; 0 if unknown. */
  get marketTime() {
    if (this.isReplaying && !this.status?.recording) return this.replayAt * 1000;
    return Math.max(this.ticker?.time_ms ?? 0, this.isReplaying ? (this.grid?.time ?? 0) * 1000 : 0);
  }

  /** The number of decimal places of prices. */
  get digits() {
    return Math.max(this.bars.digits, this.ticker ? decimalPlaces(this.ticker.last) : 0);
  }

  /** Return which parts changed since the last call. @returns {Set<Part>} */
  takeChanges() {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  /** Return the own trades that are new since the last call; none in a replay, and none of a snapshot. @returns {NewFill[]} */
  takeNewFills() {
    const fills = this.#newFills;
    this.#newFills = [];
    return fills;
  }

  /** Fold a message into the state. @param {Message} message @param {number} now milliseconds since the epoch */
  apply(message, now) {
    if (message.replayed && message.replayed > this.replayAt * 1000) {
      this.replayAt = message.replayed / 1000;
      this.#markChanged("replay");
    }
    switch (message.type) {
      case "history":
        this.clear();
        this.isKnown = true;
        this.bars.reset(message.data);
        break;
      case "kline":
        this.bars.put(message.data);
        this.#markChanged("bars", "price");
        break;
      case "orders":
        if (Array.isArray(message.data)) this.#setOrders(message.data);
        else this.#applyReport(message.data);
        break;
      case "snapshot":
        if (this.isReplaying && message.data.reason === "replay_stopped") this.endReplay();
        break;
      case "resumed":
      case "streams":
        break;
      case "trade_history":
        this.trades = [...message.data].sort((a, b) => a.time_ms - b.time_ms);
        this.#markChanged("trades");
        break;
      case "trade_event":
      case "fill":
        this.#applyTrade(message.data);
        break;
      case "risk_alert":
        if (this.#isKnownIncident(message.data)) break;
        this.#addNotice(message);
        break;
      case "quoting":
      case "reconciliation":
      case "position_corrected":
      case "control":
        this.#addNotice(message);
        break;
      default:
        this.#applyState(message, now);
    }
  }

  /**
   * State messages: each replaces the one before.
   * @param {Exclude<Message, { type: "history" | "kline" | "orders" | "trade_history" | "trade_event" | "fill" | "snapshot" | "resumed" | "streams" | Notice["type"] }>} message
   * @param {number} now milliseconds since the epoch
   */
  #applyState(message, now) {
    switch (message.type) {
      case "ticker":
        this.ticker = message.data;
        this.#tickerAt = now;
        return this.#markChanged("price");
      case "position":
        this.position = message.data;
        return this.#markChanged("position");
      case "account":
        this.accounts.set(message.data.asset, message.data);
        return this.#markChanged("account");
      case "grid_state":
        this.grid = message.data;
        // In a replay it has the newest price.
        return this.isReplaying ? this.#markChanged("grid", "price") : this.#markChanged("grid");
      case "risk_status":
        this.risk = message.data;
        return this.#markChanged("risk");
      case "status":
        this.status = message.data;
        return this.#markChanged("status");
      case "server":
        this.server = message.data;
        this.#setParts(message.data.parts ?? [], now);
        return this.#markChanged("server");
      case "symbols":
        this.#addFillsElsewhere(message.data);
        this.symbols = message.data;
        return this.#markChanged("symbols");
      case "replay":
        this.replay = message.data.state === "stopped" ? null : message.data;
        this.replayAt = this.isReplaying ? message.data.at : 0;
        return this.#markChanged("replay");
    }
  }

  /** @param {Order[]} orders all open orders */
  #setOrders(orders) {
    this.orders = new Map(orders.map((order) => [order.id, order]));
    this.#markChanged("orders");
  }

  /** Open, change or end an order. An order is shown once side, price and quantity are known. @param {OrderReport} report null fields are unchanged */
  #applyReport(report) {
    this.#markChanged("orders");
    if (ENDED.has(report.status)) {
      this.orders.delete(report.id);
      this.#endedOrders.add(report.id);
      if (this.#endedOrders.size > MAX_ENDED_ORDERS) {
        const [oldest] = this.#endedOrders; // a Set keeps the order of insertion
        this.#endedOrders.delete(oldest);
      }
      return;
    }
    if (this.#endedOrders.has(report.id)) return;
    const known = this.orders.get(report.id);
    const side = report.side ?? known?.side;
    const price = report.price ?? known?.price;
    const quantity = report.quantity ?? known?.quantity;
    if (!side || !price || !quantity) return;
    // Reports may arrive out of order: the filled quantity never falls.
    const filled = known && Number(known.filled) > Number(report.filled) ? known.filled : report.filled;
    const time = known?.time ?? report.time;
    this.orders.set(report.id, { ...report, reduce_only: known?.reduce_only ?? false, side, price, quantity, filled, time });
  }

  /** @param {Notice} notice */
  #addNotice(notice) {
    this.notices = [...this.notices, notice].slice(-MAX_NOTICES);
    this.#markChanged("notices");
  }

  /** Whether the incident, or its end, is shown already: several parts may raise the same one. @param {RiskAlert} alert */
  #isKnownIncident(alert) {
    if (!alert.incident) return false;
    return this.notices.some(
      ({ type, data }) => type === "risk_alert" && data.incident === alert.incident && data.active === alert.active,
    );
  }

  /** @param {Trade} trade a new trade, or one that the grid has booked since */
  #applyTrade(trade) {
    const at = this.trades.findLastIndex((known) => known.trade_id === trade.trade_id);
    // A booked trade includes all fields of the venue's trade event.
    if (at >= 0 && this.trades[at].opens !== null && trade.opens === null) return;
    if (at >= 0) this.trades[at] = trade;
    else {
      this.trades.push(trade);
      this.#addNewFill({ symbol: trade.symbol, side: trade.side, trade });
    }
    if (at < 0 && this.trades.length > MAX_TRADES) this.trades.shift();
    this.#markChanged("trades");
  }

  /** @param {NewFill} fill */
  #addNewFill(fill) {
    if (!this.isReplaying) this.#newFills.push(fill);
  }

  /** Own trades of the symbols that are not shown, of which only the newest is known. @param {SymbolEntry[]} entries */
  #addFillsElsewhere(entries) {
    for (const entry of entries) {
      const known = this.symbols.find((each) => each.market === entry.market && each.venue === entry.venue);
      const isShown = entry.market === this.status?.market && entry.venue === this.status.venue;
      const isNew = known && (entry.last_trade_ms ?? 0) > (known.last_trade_ms ?? 0);
      if (isNew && !isShown) this.#addNewFill({ symbol: entry.symbol, side: entry.last_trade_side || "buy", trade: null });
    }
  }

  /** @param {PartState[]} parts @param {number} now */
  #setParts(parts, now) {
    const wrong = parts.filter((part) => part.state !== "ok");
    this.wrongParts = wrong.map((part) => {
      const known = this.wrongParts.find(({ kind, name, state }) => kind === part.kind && name === part.name && state === part.state);
      return { ...part, since: known?.since ?? now - (part.age_ms ?? 0) };
    });
  }

  /** @param {Part[]} parts */
  #markChanged(...parts) {
    for (const part of parts) this.#changed.add(part);
  }
}
