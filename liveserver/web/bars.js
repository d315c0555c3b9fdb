// @ts-check
/** The candles of the shown symbol as numbers, in order of time, with what changed since it was last asked. */

/** @import { Candle } from "./messages.js" */

/** @typedef {{ time: number, open: number, high: number, low: number, close: number, volume: number }} Bar */

/** Every further bar costs time at each update of the chart. */
const KEPT = 3000;

export class Bars {
  constructor() {
    /** @type {Bar[]} */
    this.all = [];
    /** Digits behind the point that prices have here. */
    this.digits = 0;
    /** @type {Map<number, Bar>} */
    this._changed = new Map();
    this._isNew = true;
  }

  /** @param {Candle[]} candles in any order */
  reset(candles) {
    this.digits = candles.reduce((most, candle) => Math.max(most, digitsOf(candle)), 0);
    this.all = candles.map(barOf).sort((a, b) => a.time - b.time).slice(-KEPT);
    this._isNew = true;
  }

  /** @param {Candle} candle the newest one, or a correction of an older one */
  put(candle) {
    const bar = barOf(candle);
    this.digits = Math.max(this.digits, digitsOf(candle));
    const at = this._placeOf(bar.time);
    if (this.all[at]?.time === bar.time) {
      this.all[at] = bar;
    } else {
      this.all.splice(at, 0, bar);
      // The chart takes new bars at its end only.
      this._isNew ||= at < this.all.length - 1;
    }
    if (this.all.length > KEPT + 500) {
      this.all = this.all.slice(-KEPT);
      this._isNew = true;
    }
    this._changed.set(bar.time, bar);
  }

  /** @returns {Bar | undefined} */
  get last() {
    return this.all.at(-1);
  }

  /**
   * Return what changed since the last call: everything, or some bars in order of time.
   * @returns {{ isNew: boolean, bars: Bar[] }}
   */
  take() {
    const bars = this._isNew ? this.all : [...this._changed.values()].sort((a, b) => a.time - b.time);
    const taken = { isNew: this._isNew, bars };
    this._changed.clear();
    this._isNew = false;
    return taken;
  }

  /** @param {number} time */
  _placeOf(time) {
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
  return Math.max(...[candle.open, candle.high, candle.low, candle.close].map(digitsBehindPoint));
}

/** @param {string} number */
export function digitsBehindPoint(number) {
  const point = number.indexOf(".");
  return point < 0 ? 0 : number.length - point - 1;
}
