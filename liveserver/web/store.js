// @ts-check
/** All that is known of the shown symbol, folded from messages. No DOM, and no clock but the one it is handed. */

/** @import { Account, Grid, Message, Notice, Order, OrderReport, Position, Replay, RiskStatus, Server, Status, SymbolEntry, Ticker, Trade } from "./messages.js" */
import { Bars, digitsBehindPoint } from "./bars.js";

/** @typedef {"bars" | "orders" | "trades" | "position" | "account" | "grid" | "risk" | "notices" | "price" | "status" | "server" | "symbols" | "replay"} Part */

const TRADES_KEPT = 500;
const NOTICES_KEPT = 200;

/** After one of these an order is no longer open. */
const ENDED = new Set(["FILLED", "CANCELED", "EXPIRED", "REJECTED"]);

/** So many ended orders are known, so that a late report does not bring one back. */
const ENDED_KEPT = 2000;
/** Of the conversation, not of the market. */
const ASIDE = new Set(["server", "symbols", "error", "snapshot", "resumed", "streams", "replay"]);

/** @type {Part[]} */
const ALL = ["bars", "orders", "trades", "position", "account", "grid", "risk", "notices", "price", "status"];

export class Store {
  constructor() {
    /** @type {Set<Part>} */
    this._changed = new Set(ALL);
    /** @type {SymbolEntry[]} */
    this.symbols = [];
    /** @type {Server | null} */
    this.server = null;
    /** When a message of this market last came, in milliseconds. */
    this.heardAt = 0;
    /** How the replay stands, or why there is none. @type {Replay | null} */
    this.replay = null;
    this.bars = new Bars();
    this.clear();
  }

  /** Forget the market: a snapshot follows. */
  clear() {
    this.bars = new Bars();
    /** @type {Map<string, Order>} */
    this.orders = new Map();
    /** @type {Set<string>} */
    this._ended = new Set();
    /** Own trades, oldest first. @type {Trade[]} */
    this.trades = [];
    /** @type {Position | null} */
    this.position = null;
    /** @type {Map<string, Account>} */
    this.accounts = new Map();
    /** @type {Grid | null} */
    this.grid = null;
    /** @type {RiskStatus | null} */
    this.risk = null;
    /** Oldest first. @type {Notice[]} */
    this.notices = [];
    /** @type {Ticker | null} */
    this.ticker = null;
    /** @type {Status | null} */
    this.status = null;
    this.isKnown = false;
    for (const part of ALL) this._changed.add(part);
  }

  /** The past is shown. */
  get isReplaying() {
    return ["playing", "paused", "ended"].includes(this.replay?.state ?? "");
  }

  endReplay() {
    this.replay = null;
    this._mark("replay");
  }

  /** The newest price: of the ticker, or the last close while there is none. @returns {number | null} */
  get price() {
    if (this.ticker) return Number(this.ticker.last);
    return this.bars.last?.close ?? null;
  }

  /** Digits behind the point that prices have here. */
  get digits() {
    return Math.max(this.bars.digits, this.ticker ? digitsBehindPoint(this.ticker.last) : 0);
  }

  /** Return which parts changed since the last call. @returns {Set<Part>} */
  take() {
    const changed = this._changed;
    this._changed = new Set();
    return changed;
  }

  /** @param {Message} message @param {number} now milliseconds */
  apply(message, now) {
    if (!ASIDE.has(message.type)) this.heardAt = now;
    switch (message.type) {
      case "history":
        this.clear();
        this.isKnown = true;
        this.bars.reset(message.data);
        break;
      case "kline":
        this.bars.put(message.data);
        this._mark("bars", "price");
        break;
      case "orders":
        if (Array.isArray(message.data)) this._allOrders(message.data);
        else this._order(message.data);
        break;
      case "snapshot":
        if (this.isReplaying && message.data.reason === "replay_stopped") this.endReplay();
        break;
      case "resumed":
      case "streams":
        break;
      case "trade_history":
        this.trades = [...message.data].sort((a, b) => a.time_ms - b.time_ms);
        this._mark("trades");
        break;
      case "trade_event":
      case "fill":
        this._trade(message.data);
        break;
      case "risk_alert":
      case "reconciliation":
      case "control":
        this.notices = [...this.notices, message].slice(-NOTICES_KEPT);
        this._mark("notices");
        break;
      default:
        this._level(message);
    }
  }

  /**
   * What has no history: the newest takes the place of the one before.
   * @param {Exclude<Message, { type: "history" | "kline" | "orders" | "trade_history" | "trade_event" | "fill" | "snapshot" | "resumed" | "streams" | Notice["type"] }>} message
   */
  _level(message) {
    switch (message.type) {
      case "ticker":
        this.ticker = message.data;
        return this._mark("price");
      case "position":
        this.position = message.data;
        return this._mark("position");
      case "account":
        this.accounts.set(message.data.asset, message.data);
        return this._mark("account");
      case "grid_state":
        this.grid = message.data;
        return this._mark("grid");
      case "risk_status":
        this.risk = message.data;
        return this._mark("risk");
      case "status":
        this.status = message.data;
        return this._mark("status");
      case "server":
        this.server = message.data;
        return this._mark("server");
      case "symbols":
        this.symbols = message.data;
        return this._mark("symbols");
      case "replay":
        this.replay = message.data.state === "stopped" ? null : message.data;
        return this._mark("replay");
    }
  }

  /** @param {Order[]} orders all that are open */
  _allOrders(orders) {
    this.orders = new Map(orders.map((order) => [order.id, order]));
    this._mark("orders");
  }

  /** @param {OrderReport} report what the venue said; null is what it did not say */
  _order(report) {
    this._mark("orders");
    if (ENDED.has(report.status)) {
      this.orders.delete(report.id);
      this._ended.add(report.id);
      if (this._ended.size > ENDED_KEPT) for (const oldest of this._ended) { this._ended.delete(oldest); break; }
      return;
    }
    if (this._ended.has(report.id)) return;
    const known = this.orders.get(report.id);
    const { side, price, quantity } = { side: report.side ?? known?.side, price: report.price ?? known?.price, quantity: report.quantity ?? known?.quantity };
    if (!side || !price || !quantity) return;
    const filled = Number(known?.filled ?? 0) > Number(report.filled) ? /** @type {Order} */ (known).filled : report.filled;
    const time = known?.time ?? report.time;
    this.orders.set(report.id, { ...report, reduce_only: known?.reduce_only ?? false, side, price, quantity, filled, time });
  }

  /** @param {Trade} trade a new one, or one that was booked since */
  _trade(trade) {
    const at = this.trades.findLastIndex((known) => known.trade_id === trade.trade_id);
    // What the grid booked says all that the venue's word says, and more.
    if (at >= 0 && this.trades[at].opens !== null && trade.opens === null) return;
    if (at >= 0) this.trades[at] = trade;
    else this.trades.push(trade);
    if (at < 0 && this.trades.length > TRADES_KEPT) this.trades.shift();
    this._mark("trades");
  }

  /** @param {Part[]} parts */
  _mark(...parts) {
    for (const part of parts) this._changed.add(part);
  }
}
