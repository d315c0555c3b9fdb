// @ts-check
/** The figures: price, position, balance, quoting state, and the components of the profit. */

/** @import { Grid } from "../messages.js" */
/** @import { Liveness } from "../model/liveness.js" */
/** @import { Store, Part } from "../model/store.js" */
import { byId, setData, setSigned, setText } from "../dom.js";
import { clock, compact, count, day, factor, fixed, money, moneyDigits, percent, quantity, share, signOf, words } from "../format.js";
import { beforeFees, shownProfit, unrealizedAt } from "../model/profit.js";

const NONE = "—";

/** @type {Part[]} */
const QUOTING_PARTS = ["grid", "orders", "risk", "status", "liveness"];

/** @param {Store} store @param {Set<Part>} changed @param {Liveness} liveness */
export function renderPanels(store, changed, liveness) {
  if (changed.has("status")) renderUnits(store);
  const isPriceChanged = changed.has("price") || changed.has("bars");
  if (isPriceChanged || changed.has("status")) renderPrice(store);
  if (isPriceChanged || changed.has("position")) renderPosition(store);
  if (changed.has("grid")) renderBooks(store);
  if (changed.has("account") || changed.has("status")) renderBalance(store);
  if (isPriceChanged || changed.has("grid") || changed.has("replay")) renderProfit(store);
  if (QUOTING_PARTS.some((part) => changed.has(part))) renderQuoting(store, liveness);
}

/** Write the currencies of the shown symbol where a figure is in them. @param {Store} store */
function renderUnits(store) {
  const units = { quote: quoteOf(store), base: baseOf(store) };
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-unit]"))) {
    setText(element, units[/** @type {"quote" | "base"} */ (element.dataset.unit)]);
  }
}

/** The title of the browser's tab: price, total profit, symbol. @param {Store} store @param {string} symbol */
export function titleOf(store, symbol) {
  if (store.price === null) return "OpenSQT";
  const price = fixed(store.price, store.digits);
  if (!store.grid) return `${price} · ${symbol}`;
  const { total, digits } = shownProfit(store.grid, store.price);
  const profit = isRedacted(store.grid) ? share(total) : `${money(total, digits)} ${quoteOf(store)}`;
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
  const entry = Number(position?.entryPrice ?? 0);
  setText(byId("entry"), amount && entry > 0 ? fixed(entry, store.digits) : NONE);
  byId("entry").title = amount && entry <= 0 ? "unknown: the position was opened by trades that were not seen" : "";
  const liquidation = position?.liquidationPrice ?? null;
  setText(
    byId("liquidation"),
    liquidation === null || !amount ? "" : `liquidation ${fixed(Number(liquidation), store.digits)}`,
  );
  if (!position || !amount) {
    setSigned(byId("unrealized"), position ? "0.00" : NONE, 0);
    setText(byId("position-value"), position ? "flat" : "");
    setText(byId("unrealized-ratio"), "");
    return;
  }
  const price = store.price ?? Number(position.markPrice);
  const value = Math.abs(amount) * price;
  const leverage = Number(position.leverage) > 1 ? ` · ${factor(Number(position.leverage))}` : "";
  setText(byId("position-value"), `${position.side.toLowerCase()} ${fixed(value, 2)} ${quoteOf(store)}${leverage}`);
  const unrealized = unrealizedAt(position, store.price);
  const cost = Math.abs(amount) * entry;
  setSigned(byId("unrealized"), unrealized === null ? NONE : money(unrealized), unrealized === null ? 0 : signOf(unrealized, moneyDigits(unrealized)));
  setText(byId("unrealized-ratio"), unrealized !== null && cost ? percent(unrealized / cost) : "");
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
  for (const id of ["liquidation", "position-value", "unrealized-ratio"]) setText(byId(id), "");
  const ratio = isOpen && price ? (price / entry - 1) * (position.side === "SHORT" ? -1 : 1) : 0;
  setSigned(byId("unrealized"), isOpen ? percent(ratio) : NONE, Math.sign(ratio));
}

/** The account's worth; without prices for all assets, the balance in the quote currency alone. @param {Store} store */
function renderBalance(store) {
  const account = store.accounts.get(quoteOf(store)) ?? [...store.accounts.values()][0];
  const [equity, note] = [byId("equity"), byId("free")];
  const worth = account?.total_equity || null;
  const asset = worth ? account?.equity_asset || account?.asset : account?.asset;
  const unpriced = account?.unpriced ?? [];
  const isPublic = account?.equity === "";
  setText(byId("equity-label"), account && !isPublic && !worth ? `${asset} balance` : "Equity");
  setText(equity, account && !isPublic ? `${fixed(Number(worth ?? account.equity), 2)} ${asset}` : NONE);
  equity.title = worth ? `All assets of the account at the newest prices, in ${asset}` : "";
  if (unpriced.length) equity.title = `Not included, because they have no price here: ${unpriced.join(", ")}`;
  const free = account && !isPublic ? `free ${fixed(Number(account.free), 2)} ${account.asset}` : "";
  setText(note, isPublic ? "not public" : unpriced.length ? `without ${unpriced.join(", ")}` : free);
}

/** @param {Store} store @param {Liveness} liveness */
function renderQuoting(store, liveness) {
  const [element, note] = [byId("quoting"), byId("quoting-note")];
  const { state, text, detail, title = "" } = quotingOf(store, liveness);
  setText(element, text);
  setData(element, "state", state);
  setText(note, detail);
  note.title = [detail, title].filter(Boolean).join(" ");
}

/** @param {Store} store @param {Liveness} liveness @returns {{ state: string, text: string, detail: string, title?: string }} */
function quotingOf(store, liveness) {
  const { grid, risk, status } = store;
  if (liveness.problem) return { state: "no", text: "unknown", detail: "not live" };
  const blocked = store.isReplaying ? null : status?.blocked;
  if (blocked) return { state: "no", text: words(blocked), detail: status?.blocked_text ?? "", title: status?.blocked_remedy };
  if (!grid) return { state: "", text: NONE, detail: "" };
  const why = grid.not_quoting;
  const reason = why ? store.reasons.get(why) : undefined;
  const remedy = grid.not_quoting_remedy || reason?.hint;
  if (why) return { state: "no", text: words(why), detail: grid.not_quoting_text || reason?.text || "", title: remedy };
  const guards = risk?.active.map((guard) => words(guard.reason)).join(", ") ?? "";
  if (guards) return { state: "no", text: "guarded", detail: guards };
  const sides = [...store.orders.values()].map((order) => order.side);
  const buys = sides.filter((side) => side === "BUY").length;
  return { state: "yes", text: "yes", detail: `${count(buys, "buy")}, ${count(sides.length - buys, "sell")} open` };
}

/** @param {Store} store */
function renderProfit(store) {
  const grid = store.grid;
  const ids = ["total", "grid-profit", "unpaired", "open-fees", "funding", "sum-total", "buy-and-hold"];
  if (!grid) {
    for (const id of ids) setSigned(byId(id), NONE, 0);
    for (const id of ["pairs", "fees", "volume"]) setText(byId(id), NONE);
    setText(byId("total-note"), !store.isKnown ? "" : store.isReplaying ? "nothing is kept of the grid at this time" : "no grid trades this symbol");
    return;
  }
  const { digits, ...profit } = shownProfit(grid, store.price);
  const isShare = isRedacted(grid);
  // In the order of `ids`; the total is shown twice.
  const figures = [profit.total, profit.grid, profit.unpaired, profit.openFees, profit.funding, profit.total, Number(grid.buy_and_hold)];
  ids.forEach((id, i) => setSigned(byId(id), isShare ? share(figures[i]) : money(figures[i], digits), signOf(figures[i], digits)));
  if (!isShare) setText(byId("buy-and-hold"), `${money(figures[6], digits)} ${quoteOf(store)}`);
  const since = grid.first_time * 1000;
  const quote = quoteOf(store);
  const start = grid.first_time ? `since ${day(since)} ${clock(since).slice(0, 5)} UTC` : "no trade yet";
  setText(byId("total-note"), [isShare ? "of the turnover" : "", start, beforeFees(grid.fees_other)].filter(Boolean).join(", "));
  setText(byId("pairs"), `${grid.closed_pairs} of ${grid.opened_trades}`);
  setText(byId("fees"), isShare ? share(-Number(grid.fees)) : `${money(-Number(grid.fees))} ${quote}`);
  setText(byId("volume"), isShare ? NONE : `${compact(Number(grid.volume))} ${quote}`);
}
