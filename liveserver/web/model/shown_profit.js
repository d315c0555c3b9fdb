// @ts-check
/** The display of a profit at the newest price: the rule of `schemas/grid/profit.py`, which the server applies to `shown`. */

/** @import { Profit } from "./profit.js" */

/** Decimal places of the amounts, by the size from which on the largest of them has as many. @type {[number, number][]} */
const SHOWN_DIGITS = [[0.1, 2], [0.001, 4]];
const MAX_SHOWN_DIGITS = 8;

/**
 * The amounts rounded to `digits` decimal places, so that they add up as displayed. All are the nearest ones, so that none
 * changes while nothing is traded, except `unpaired`: it follows the price anyway, and takes the rest.
 * @param {Profit} profit @returns {Profit & { digits: number }}
 */
export function shownProfit(profit) {
  const { grid, unpaired, openFees, funding } = profit;
  const digits = shownDigits(profit.total, grid, unpaired, openFees, funding);
  const [total, ...others] = [profit.total, grid, openFees, funding].map((amount) => inUnits(amount, digits));
  const rest = others.reduce((left, amount) => left - amount, total);
  const unit = 10 ** -digits;
  return { digits, total: total * unit, grid: others[0] * unit, unpaired: rest * unit, openFees: others[1] * unit, funding: others[2] * unit };
}

/** @param {...number} amounts */
function shownDigits(...amounts) {
  const largest = Math.max(...amounts.map(Math.abs));
  if (largest === 0) return SHOWN_DIGITS[0][1];
  return SHOWN_DIGITS.find(([size]) => largest >= size)?.[1] ?? MAX_SHOWN_DIGITS;
}

/** An amount in units of the last decimal place; halves are rounded away from 0. @param {number} amount @param {number} digits */
function inUnits(amount, digits) {
  return Math.sign(amount) * Math.round(Math.abs(amount) * 10 ** digits);
}
