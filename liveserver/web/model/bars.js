// @ts-check
/** Candles of the shown symbol as numbers, ordered by time, with change tracking. */

/** @import { Candle } from "../messages.js" */

/** @typedef {{ time: number, open: number, high: number, low: number, close: number, volume: number }} Bar `time` is the opening time in seconds since the epoch */

/** The number of bars kept: each costs time at every update of the chart. */
const MAX_BARS = 3000;
/** The number of bars beyond the maximum before the oldest are dropped, because that redraws the chart. */
const MAX_EXCESS_BARS = 500;

export class Bars {
  /** Oldest first. @type {Bar[]} */
  all = [];
  /** The number of decimal places of prices. */
  digits = 0;
  /** @type {Map<number, Bar>} */
  #changed = new Map();
  #isReset = true;

  /** @param {Candle[]} candles in any order */
  reset(candles) {
    this.digits = candles.reduce((most, candle) => Math.max(most, digitsOf(candle)), 0);
    this.all = candles.map(barOf).sort((a, b) => a.time - b.time).slice(-MAX_BARS);
    this.#isReset = true;
  }

  /** @param {Candle} candle the newest one, or a correction of an older one */
  put(candle) {
    const bar = barOf(candle);
    this.digits = Math.max(this.digits, digitsOf(candle));
    const at = this.#indexOf(bar.time);
    if (this.all[at]?.time === bar.time) {
      this.all[at] = bar;
    } else {
      this.all.splice(at, 0, bar);
      // The chart library accepts new bars at the end only.
      this.#isReset ||= at < this.all.length - 1;
    }
    if (this.all.length > MAX_BARS + MAX_EXCESS_BARS) {
      this.all = this.all.slice(-MAX_BARS);
      this.#isReset = true;
    }
    this.#changed.set(bar.time, bar);
  }

  /** @returns {Bar | undefined} */
  get last() {
    return this.all.at(-1);
  }

  /**
   * Return the changes since the last call, ordered by time: all bars after a reset, else the changed ones.
   * @returns {{ isReset: boolean, bars: Bar[] }}
   */
  takeChanges() {
    const bars = this.#isReset ? this.all : [...this.#changed.values()].sort((a, b) => a.time - b.time);
    const changes = { isReset: this.#isReset, bars };
    this.#changed.clear();
    this.#isReset = false;
    return changes;
  }

  /** The index of the first bar at a time or later. @param {number} time */
  #indexOf(time) {
    let at = this.all.length;
    while (at > 0 && this.all[at - 1].time >= time) at -= 1;
    return at;
  }
}

/** @param {Candle} candle @returns {Bar} */
function barOf(candle) {
  return {
    time: candle.time,
    open: Number(candle.open),
    high: Number(candle.high),
    low: Number(candle.low),
    close: Number(candle.close),
    volume: Number(candle.volume),
  };
}

/** @param {Candle} candle */
function digitsOf(candle) {
  return Math.max(...[candle.open, candle.high, candle.low, candle.close].map(decimalPlaces));
}

/** The number of decimal places of a number, such as 2 of "64250.00". @param {string} number */
export function decimalPlaces(number) {
  const point = number.indexOf(".");
  return point < 0 ? 0 : number.length - point - 1;
}
