// @ts-check
/** Profit of a grid, and unrealized profit of a position, at any price. Amounts are in the quote asset. */

/** @import { Grid, Position } from "../messages.js" */
import { moneyDigits } from "../format.js";
import { decimalPlaces } from "./bars.js";

/** Decimal places of a share of the turnover: 0.00001 is 0.001 %. */
const SHARE_DIGITS = 5;

/**
 * total = grid + unpaired + openFees + funding. Of a redacted grid, all of them are shares of the traded volume.
 *
 * @typedef {object} Profit
 * @property {number} total
 * @property {number} grid profit of closed pairs, net of the fees on both sides
 * @property {number} unpaired unrealized profit of the holdings at the price
 * @property {number} openFees fees of the holdings that `grid` does not include yet, as a summand: negative for a cost
 * @property {number} funding sum of the funding payments, negative for a cost
 */

/**
 * Which fees a profit does not include, such as `before 0.0005 BNB`; empty if it includes all. Redacted amounts are left out.
 * @param {Record<string, string> | undefined} feesOther @returns {string}
 */
export function beforeFees(feesOther) {
  const amounts = Object.entries(feesOther ?? {})
    .filter(([, amount]) => amount === "" || Number(amount) !== 0)
    .map(([asset, amount]) => (amount ? `${amount} ${asset}` : `fees in ${asset}`));
  return amounts.length ? `before ${amounts.join(" and ")}` : "";
}

/**
 * Profit of a grid at a price; at the price of the grid's last step if `price` is null.
 * @param {Grid} grid @param {number | null} price @returns {Profit}
 */
export function profitAt(grid, price) {
  const hasPrices = price !== null && grid.price !== null;
  const revaluation = hasPrices ? Number(grid.position) * (price - Number(grid.price)) : 0;
  const total = Number(grid.total_profit) + revaluation;
  const unpaired = Number(grid.unpaired_profit) + revaluation;
  const gridProfit = Number(grid.grid_profit);
  const funding = Number(grid.funding);
  const openFees = total - gridProfit - unpaired - funding;
  return { total, grid: gridProfit, unpaired, openFees, funding };
}

/**
 * Unrealized profit of a position at a price; as the venue reported it if `price` is null; null without an entry price.
 * @param {Position} position @param {number | null} price @returns {number | null}
 */
export function unrealizedAt(position, price) {
  const entry = Number(position.entryPrice ?? 0);
  if (entry <= 0 || position.unrealizedPnL === null) return null;
  if (price === null) return Number(position.unrealizedPnL);
  return Number(position.amount) * (price - entry);
}

/**
 * The profit as it is written: rounded, and the summands add up to the total, as the unpaired profit takes what rounding
 * leaves over. Where the server sent rounded summands, these are used; only the total and the unpaired profit follow the price.
 * @param {Grid} grid @param {number | null} price @returns {Profit & { digits: number }} `digits`: decimal places
 */
export function shownProfit(grid, price) {
  const exact = profitAt(grid, price);
  const shown = grid.shown ?? null;
  const usual = moneyDigits(...Object.values(exact), Number(grid.buy_and_hold));
  const digits = grid.volume === "" ? SHARE_DIGITS : shown ? decimalPlaces(shown.total) : usual;
  const rounded = (/** @type {number} */ value) => Number(value.toFixed(digits));
  const total = rounded(exact.total);
  const gridProfit = shown ? Number(shown.grid_profit) : rounded(exact.grid);
  const openFees = shown ? Number(shown.open_fees) : rounded(exact.openFees);
  const funding = shown ? Number(shown.funding) : rounded(exact.funding);
  return { total, grid: gridProfit, unpaired: rounded(total - gridProfit - openFees - funding), openFees, funding, digits };
}
