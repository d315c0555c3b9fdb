// @ts-check
/** The figures: price, position, balance, quoting state, and the components of the profit. */

/** @import { Grid } from "../messages.js" */
/** @import { Store, Part } from "../model/store.js" */
import { byId, setData, setSigned, setText } from "../dom.js";
import { clock, compact, day, fixed, money, moneyDigits, percent, quantity, share, signOf, words } from "../format.js";
import { beforeFees, profitAt, unrealisedAt } from "../model/profit.js";

const NONE = "—";

/** @param {Store} store @param {Set<Part>} changed */
export function renderPanels(store, changed) {
  const isPriceChanged = changed.has("price") || changed.has("bars");
  if (isPriceChanged || changed.has("status")) renderPrice(store);
  if (isPriceChanged || changed.has("position")) renderPosition(store);
  if (changed.has("grid")) renderBooks(store);
  if (changed.has("account") || changed.has("status")) renderBalance(store);
  if (isPriceChanged || changed.has("grid")) renderProfit(store);
  if (changed.has("grid") || changed.has("orders") || changed.has("risk")) renderQuoting(store);
}

/** The title of the browser's tab: price, total profit, symbol. @param {Store} store @param {string} symbol */
export function titleOf(store, symbol) {
  if (store.price === null) return "OpenSQT";
  const price = fixed(store.price, store.digits);
  if (!store.grid) return `${price} · ${symbol}`;
  const total = profitAt(store.grid, store.price).total;
  const profit = isRedacted(store.grid) ? share(total) : money(total);
  return `${price} · ${profit} · ${symbol}`;
}

/** Whether the amounts of a grid are shares of its traded volume. @param {Grid} grid */
function isRedacted(grid) {
  return grid.volume === "";
}

/** The quote currency: `USDT` of `BTC/USDT:USDT`. @param {Store} store @returns {string} */
function quoteOf(store) {
  return store.status?.market.split(":")[0].split("/")[1] ?? "";
}

/** @param {Store} store @returns {string} */
function baseOf(store) {
  return store.status?.market.split("/")[0] ?? "";
}

/** @param {Store} store */
function renderPrice(store) {
  const { ticker, status } = store;
  setText(byId("market"), status ? `${status.market} · ${status.venue}` : NONE);
  setText(byId("price"), store.price === null ? NONE : fixed(store.price, store.digits));
  setText(
    byId("spread"),
    ticker ? `${fixed(Number(ticker.bid), store.digits)} / ${fixed(Number(ticker.ask), store.digits)}` : "",
  );
}

/** @param {Store} store */
function renderPosition(store) {
  const position = store.position;
  if (store.position?.amount === "") {
    renderRedacted(store);
    return;
  }
  const amount = Number(position?.amount ?? 0);
  setText(byId("position"), position ? `${quantity(amount)} ${baseOf(store)}` : NONE);
  setText(byId("entry"), amount && position ? fixed(Number(position.entryPrice), store.digits) : NONE);
  const liquidation = position?.liquidationPrice ?? null;
  setText(
    byId("liquidation"),
    liquidation === null || !amount ? "" : `liquidation ${fixed(Number(liquidation), store.digits)}`,
  );
  if (!position || !amount) {
    setSigned(byId("unrealised"), position ? "0.00" : NONE, 0);
    setText(byId("position-value"), position ? "flat" : "");
    setText(byId("unrealised-ratio"), "");
    return;
  }
  const price = store.price ?? Number(position.markPrice);
  const value = Math.abs(amount) * price;
  const leverage = Number(position.leverage) > 1 ? ` · ${quantity(position.leverage)}×` : "";
  setText(byId("position-value"), `${position.side.toLowerCase()} ${fixed(value, 2)} ${quoteOf(store)}${leverage}`);
  const unrealised = unrealisedAt(position, store.price);
  const cost = Math.abs(amount) * Number(position.entryPrice);
  setSigned(byId("unrealised"), money(unrealised), signOf(unrealised, moneyDigits(unrealised)));
  setText(byId("unrealised-ratio"), cost ? percent(unrealised / cost) : "");
}

/** What the books hold, while the venue's position is another one. @param {Store} store */
function renderBooks(store) {
  const { grid } = store;
  const differs = grid !== null && grid.venue_position !== null;
  setText(byId("position-books"), differs ? `the books hold ${quantity(grid.position)}` : "");
}

/** The redacted position: its side, and its return at the current price. @param {Store} store */
function renderRedacted(store) {
  const { position, price } = store;
  const entry = Number(position?.entryPrice ?? 0);
  const isOpen = position !== null && position.side !== "FLAT" && entry > 0;
  setText(byId("position"), position ? position.side.toLowerCase() : NONE);
  setText(byId("entry"), isOpen ? fixed(entry, store.digits) : NONE);
  for (const id of ["liquidation", "position-value", "unrealised-ratio"]) setText(byId(id), "");
  const ratio = isOpen && price ? (price / entry - 1) * (position.side === "SHORT" ? -1 : 1) : 0;
  setSigned(byId("unrealised"), isOpen ? percent(ratio) : NONE, Math.sign(ratio));
}

/** @param {Store} store */
function renderBalance(store) {
  const account = store.accounts.get(quoteOf(store)) ?? [...store.accounts.values()][0];
  if (account?.equity === "") {
    setText(byId("equity"), NONE);
    setText(byId("free"), "not public");
    return;
  }
  setText(byId("equity"), account ? `${fixed(Number(account.equity), 2)} ${account.asset}` : NONE);
  setText(byId("free"), account ? `free ${fixed(Number(account.free), 2)}` : "");
}

/** @param {Store} store */
function renderQuoting(store) {
  const { grid, risk } = store;
  const element = byId("quoting");
  const sides = [...store.orders.values()].map((order) => order.side);
  const buys = sides.filter((side) => side === "BUY").length;
  const guards = risk?.active.map((guard) => words(guard.reason)).join(", ") ?? "";
  const why = grid?.not_quoting ?? "";
  setText(element, !grid ? NONE : why ? words(why) : guards ? "guarded" : "yes");
  setData(element, "state", !grid ? "" : why || guards ? "no" : "yes");
  const orders = `${count(buys, "buy")}, ${count(sides.length - buys, "sell")} open`;
  const reason = store.reasons.get(why);
  const note = byId("quoting-note");
  setText(note, why ? (reason?.text ?? words(why)) : guards || (grid ? orders : ""));
  note.title = reason ? `${reason.text} ${reason.hint}` : "";
}

/** @param {number} number @param {string} noun */
function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** @param {Store} store */
function renderProfit(store) {
  const grid = store.grid;
  const ids = ["total", "grid-profit", "unpaired", "open-fees", "funding", "sum-total", "buy-and-hold"];
  if (!grid) {
    for (const id of ids) setSigned(byId(id), NONE, 0);
    for (const id of ["pairs", "fees", "volume"]) setText(byId(id), NONE);
    setText(byId("total-note"), store.isKnown ? "no grid trades this symbol" : "");
    return;
  }
  const profit = profitAt(grid, store.price);
  // In the order of `ids`; the total is shown twice.
  const figures = [profit.total, profit.grid, profit.unpaired, profit.openFees, profit.funding, profit.total, Number(grid.buy_and_hold)];
  const digits = moneyDigits(...figures);
  const isShare = isRedacted(grid);
  ids.forEach((id, i) => {
    const figure = figures[i];
    if (isShare) setSigned(byId(id), share(figure), Math.sign(figure));
    else setSigned(byId(id), money(figure, digits), signOf(figure, digits));
  });
  const since = grid.first_time * 1000;
  const quote = isShare ? "of the turnover," : quoteOf(store);
  const start = grid.first_time ? `${quote} since ${day(since)} ${clock(since).slice(0, 5)} UTC` : `${quote}, no trade yet`;
  setText(byId("total-note"), [start, beforeFees(grid.fees_other)].filter(Boolean).join(", "));
  setText(byId("pairs"), `${grid.closed_trades} of ${grid.opened_trades}`);
  setText(byId("fees"), isShare ? share(-Number(grid.fees)) : money(-Number(grid.fees)));
  setText(byId("volume"), isShare ? NONE : `${compact(Number(grid.volume))} ${quote}`);
}
