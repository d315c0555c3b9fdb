// @ts-check
/** Value of a position and profit of a grid at any price, derived from published figures. */

/** @import { Grid, Position } from "../messages.js" */

/**
 * @typedef {object} Profit
 * @property {number} total
 * @property {number} grid profit of closed pairs, net of the fees on both sides
 * @property {number} unpaired unrealised profit of the holdings at the price
 * @property {number} openFees fees of the holdings, not included in `grid` yet
 * @property {number} funding
 */

/** @param {Grid} grid @param {number | null} price @returns {Profit} */
export function profitAt(grid, price) {
  const position = Number(grid.position);
  const moved = price === null || grid.price === null ? 0 : position * (price - Number(grid.price));
  const total = Number(grid.total_profit) + moved;
  const unpaired = Number(grid.unpaired_profit) + moved;
  const closed = Number(grid.grid_profit);
  const funding = Number(grid.funding);
  return { total, grid: closed, unpaired, openFees: total - closed - unpaired - funding, funding };
}

/** @param {Position} position @param {number | null} price @returns {number} */
export function unrealisedAt(position, price) {
  if (price === null) return Number(position.unrealizedPnL);
  return Number(position.amount) * (price - Number(position.entryPrice));
}
