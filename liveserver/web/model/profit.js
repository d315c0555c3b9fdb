// @ts-check
/** Profit of a grid, and unrealised profit of a position, at any price. Amounts are in the quote asset. */

/** @import { Grid, Position } from "../messages.js" */

/**
 * total = grid + unpaired + openFees + funding. Of a redacted grid, all of them are shares of the traded volume.
 *
 * @typedef {object} Profit
 * @property {number} total
 * @property {number} grid profit of closed pairs, net of the fees on both sides
 * @property {number} unpaired unrealised profit of the holdings at the price
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
 * Unrealised profit of a position at a price; as the venue reported it if `price` is null.
 * @param {Position} position @param {number | null} price @returns {number}
 */
export function unrealisedAt(position, price) {
  if (price === null) return Number(position.unrealizedPnL);
  return Number(position.amount) * (price - Number(position.entryPrice));
}
