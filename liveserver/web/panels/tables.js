// @ts-check
/** The tables: open orders sorted by price around the market, and fills, newest first. */

/** @import { Correction, Order, Trade } from "../messages.js" */
/** @import { Part, Store } from "../model/store.js" */
import { byId, make, setChildren, setText } from "../dom.js";
import { clock, day, duration, fixed, money, moneyDigits, percent, quantity, signOf } from "../format.js";

const MAX_FILL_ROWS = 100;

/** @param {Store} store @param {Set<Part>} changed @param {number} now milliseconds */
export function renderTables(store, changed, now) {
  if (changed.has("orders") || changed.has("price") || changed.has("bars") || changed.has("replay")) renderOrders(store, now);
  if (changed.has("trades") || changed.has("notices")) renderFills(store);
  if (changed.has("trades") || changed.has("notices") || changed.has("grid")) setText(byId("fills-count"), fillsNote(store));
}

/** @param {Store} store @param {number} now */
function renderOrders(store, now) {
  const body = byId("orders");
  const orders = [...store.orders.values()].sort((a, b) => Number(b.price) - Number(a.price));
  setText(byId("orders-count"), orders.length ? String(orders.length) : "");
  // Ages are relative to the market's time, which in replays and recordings differs from the local time.
  const clockMs = store.marketTime || now;
  const rows = orders.map((order) => orderRow(order, store, clockMs));
  const below = orders.findIndex((order) => order.side === "BUY");
  const at = below < 0 ? rows.length : below;
  if (orders.length) rows.splice(at, 0, priceRow(store));
  else rows.push(emptyRow("No open orders", 5));
  setChildren(body, rows);
}

/** @param {Order} order @param {Store} store @param {number} now */
function orderRow(order, store, now) {
  const price = Number(order.price);
  const filled = Number(order.filled) / (Number(order.quantity) || 1);
  const isBuy = order.side === "BUY";
  const size = cell("number", quantity(order.quantity));
  if (filled > 0) size.append(make("small", "filled", `${Math.round(filled * 100)}% filled`));
  const row = make(
    "tr",
    isBuy ? "buy" : "sell",
    sideCell(isBuy),
    cell("number", fixed(price, store.digits)),
    cell("number quiet", store.price ? percent(price / store.price - 1) : ""),
    size,
    cell("number quiet", order.time ? duration(now / 1000 - order.time) : ""),
  );
  row.dataset.key = order.id;
  row.title = `${order.id}${order.reduce_only ? " · reduce only" : ""}`;
  return row;
}

/** @param {Store} store */
function priceRow(store) {
  const price = store.price === null ? "—" : fixed(store.price, store.digits);
  const row = make("tr", "market", cell("side", "market"), cell("number", price), cell("", ""), cell("", ""), cell("", ""));
  row.dataset.key = "market";
  return row;
}

/** @param {Store} store */
function renderFills(store) {
  const booked = [
    ...store.trades.map((trade) => ({ at: trade.time_ms, row: () => fillRow(trade, store.digits) })),
    ...store.corrections.map((each) => ({ at: each.time_ms, row: () => correctionRow(each, store.digits) })),
  ];
  const newest = booked.sort((a, b) => a.at - b.at).slice(-MAX_FILL_ROWS).reverse();
  const rows = newest.map(({ row }) => row());
  setChildren(byId("fills"), rows.length ? rows : [emptyRow("No fills yet", 6)]);
}

/** The number of fills, and since when none is missing, if the bus has lost some. @param {Store} store */
function fillsNote(store) {
  const count = store.trades.length + store.corrections.length;
  const from = (store.grid?.ledger_from ?? 0) * 1000;
  const since = from ? `complete since ${day(from)} ${clock(from).slice(0, 5)} UTC` : "";
  return [count ? `last ${count}` : "", since].filter(Boolean).join(", ");
}

/** @param {Trade} trade @param {number} digits */
function fillRow(trade, digits) {
  const isBuy = trade.side === "buy";
  const profit = Number(trade.grid_profit ?? 0);
  // Redacted: profit is a share of the trade's value, amounts are hidden.
  const isRedacted = trade.amount === "";
  const sign = isRedacted ? Math.sign(profit) : signOf(profit, moneyDigits(profit));
  const earned = cell("number", trade.opens === false ? (isRedacted ? percent(profit) : money(profit)) : trade.opens ? "opens" : "");
  if (trade.opens === false) earned.dataset.sign = String(sign);
  else earned.classList.add("quiet");
  if (trade.opens) earned.title = "An opening fill: the profit of a pair counts when it is closed";
  const row = make(
    "tr",
    isBuy ? "buy" : "sell",
    cell("quiet", clock(trade.time_ms)),
    sideCell(isBuy),
    cell("number", fixed(Number(trade.price), digits)),
    cell("number", isRedacted ? "—" : quantity(trade.amount)),
    cell("number quiet", `${isRedacted ? "—" : feeText(trade)}${trade.is_maker ? "" : " taker"}`),
    earned,
  );
  row.dataset.key = trade.trade_id;
  row.title = `trade ${trade.trade_id} of ${trade.order_id || "an order placed by hand"}`;
  return row;
}

/** The fee in quote; as charged, with its asset, where that has no price. @param {Trade} trade */
function feeText(trade) {
  if (trade.fee_value === null) return `${quantity(-Number(trade.fee))} ${trade.fee_asset}`;
  return `${trade.is_fee_estimated ? "≈ " : ""}${money(-Number(trade.fee_value))}`;
}

/** A difference from the venue's position that was booked without a fill. @param {Correction} correction @param {number} digits */
function correctionRow(correction, digits) {
  const amount = Number(correction.amount);
  const isRedacted = correction.amount === "";
  const profit = Number(correction.grid_profit);
  const earned = cell("number", isRedacted ? "—" : money(profit));
  if (!isRedacted) earned.dataset.sign = String(signOf(profit, moneyDigits(profit)));
  const row = make(
    "tr",
    isRedacted ? "" : amount > 0 ? "buy" : "sell",
    cell("quiet", clock(correction.time_ms)),
    cell("side", "corrected"),
    cell("number", fixed(Number(correction.price), digits)),
    cell("number", isRedacted ? "—" : quantity(amount)),
    cell("number quiet", isRedacted ? "—" : money(-Number(correction.fee))),
    earned,
  );
  row.title = `booked without a fill: ${correction.reason}`;
  return row;
}

/** @param {boolean} isBuy */
function sideCell(isBuy) {
  return cell("side", isBuy ? "▲ buy" : "▼ sell");
}

/** @param {string} className @param {string} text */
function cell(className, text) {
  return make("td", className, text);
}

/** @param {string} text @param {number} columns */
function emptyRow(text, columns) {
  const only = document.createElement("td");
  only.colSpan = columns;
  only.textContent = text;
  return make("tr", "empty", only);
}
