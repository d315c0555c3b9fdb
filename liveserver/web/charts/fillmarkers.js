// @ts-check
/** Markers of own trades: arrows with the tip at the price, in the candle of their time. */

/** @import { ISeriesApi, ISeriesMarkersPluginApi, Time, UTCTimestamp } from "../vendor/lightweight-charts.mjs" */
/** @import { Bar } from "../model/bars.js" */
/** @import { Trade } from "../messages.js" */
import { createSeriesMarkers } from "../vendor/lightweight-charts.mjs";
import { COLORS } from "./colors.js";

export class FillMarkers {
  /** @type {ISeriesMarkersPluginApi<Time>} */
  #markers;
  /** What the drawn markers depend on, to skip a render without changes. */
  #shown = "";

  /** @param {ISeriesApi<"Candlestick">} series */
  constructor(series) {
    this.#markers = createSeriesMarkers(series, []);
  }

  /** @param {Trade[]} trades oldest first @param {Bar[]} bars oldest first */
  render(trades, bars) {
    const oldest = bars[0]?.time ?? Infinity;
    const shown = [trades.length, trades.at(-1)?.trade_id, oldest, bars.at(-1)?.time].join(" ");
    if (shown === this.#shown) return;
    this.#shown = shown;
    const visible = trades.filter((trade) => trade.time >= oldest);
    this.#markers.setMarkers(visible.map((trade) => markerOf(trade, barTime(bars, trade.time))));
  }

  inspect() {
    return this.#markers.markers().map(({ time, price, shape }) => ({ time, price, shape }));
  }
}

/** The time of the candle that a time falls into. @param {Bar[]} bars @param {number} time */
function barTime(bars, time) {
  let [low, high] = [0, bars.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (bars[middle].time <= time) low = middle;
    else high = middle - 1;
  }
  return bars[low].time;
}

/** @param {Trade} trade @param {number} time */
function markerOf(trade, time) {
  const isBuy = trade.side === "buy";
  return {
    id: trade.trade_id,
    time: /** @type {UTCTimestamp} */ (time),
    price: Number(trade.price),
    position: isBuy ? /** @type {const} */ ("atPriceBottom") : /** @type {const} */ ("atPriceTop"),
    shape: isBuy ? /** @type {const} */ ("arrowUp") : /** @type {const} */ ("arrowDown"),
    color: isBuy ? COLORS.buyFill : COLORS.sellFill,
  };
}
