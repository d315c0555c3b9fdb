// @ts-check
/** The chart: candles, open orders as lines, fills at their prices, the lattice behind. */

/** @import { AutoscaleInfo, CandlestickData, IPriceLine, MouseEventParams, Time, UTCTimestamp } from "./vendor/lightweight-charts.mjs" */
/** @import { Bar } from "./bars.js" */
/** @import { Part, Store } from "./store.js" */
import {
  CandlestickSeries,
  CrosshairMode,
  HistogramSeries,
  LineStyle,
  createChart,
} from "./vendor/lightweight-charts.mjs";
import { COLORS } from "./colors.js";
import { fixed, quantity } from "./format.js";
import { FillMarkers } from "./fillmarkers.js";
import { GridLines } from "./gridlines.js";
import { OrderLines } from "./orderlines.js";

/** So many candles are in sight at first, fewer on a small screen. */
const BARS_SHOWN = 150;
const PIXELS_A_BAR = 7;
const ROOM_RIGHT = 8;
/** Orders farther away than this many heights of the candles do not flatten them. */
const REACH = 0.5;

export class PriceChart {
  /** @param {HTMLElement} container @param {(time: number | null) => void} onHover the candle under the pointer */
  constructor(container, onHover) {
    this._container = container;
    this._chart = createChart(container, OPTIONS);
    this._volume = this._chart.addSeries(HistogramSeries, VOLUME_OPTIONS);
    this._volume.priceScale().applyOptions({ scaleMargins: { top: 0.88, bottom: 0 } });
    this._candles = this._chart.addSeries(CandlestickSeries, {
      ...CANDLE_OPTIONS,
      autoscaleInfoProvider: (/** @type {() => AutoscaleInfo | null} */ original) => this._autoscale(original()),
    });
    this.grid = new GridLines();
    this._candles.attachPrimitive(this.grid);
    this._orders = new OrderLines(this._candles);
    this._fills = new FillMarkers(this._candles);
    /** @type {IPriceLine | null} */
    this._entry = null;
    this._isAnother = true;
    /** The time of the newest bar that is drawn. */
    this._newest = 0;
    this._count = 0;
    this._digits = -1;
    this._chart.subscribeCrosshairMove((/** @type {MouseEventParams<Time>} */ event) =>
      onHover(typeof event.time === "number" ? event.time : null),
    );
  }

  /** @param {Store} store @param {Set<Part>} changed */
  render(store, changed) {
    if (changed.has("bars")) this._renderBars(store);
    if (changed.has("orders") || changed.has("position")) this._orders.render(store.orders, entryPrice(store));
    if (changed.has("position")) this._renderEntry(store);
    if (changed.has("grid")) this.grid.show(store.grid?.slots ?? [], Number(store.grid?.price_interval ?? 0));
    if (changed.has("trades") || changed.has("bars")) this._fills.render(store.trades, store.bars.all);
  }

  /** Another symbol or interval is to be shown: what was in sight of the last one does not matter. */
  startAnew() {
    this._isAnother = true;
  }

  /** Show the newest candles, and let the prices scale themselves again. */
  fit() {
    const count = this._count;
    const shown = Math.min(BARS_SHOWN, Math.round(this._container.clientWidth / PIXELS_A_BAR));
    this._chart.timeScale().setVisibleLogicalRange({ from: count - shown, to: count + ROOM_RIGHT });
    this._candles.priceScale().applyOptions({ autoScale: true });
  }

  /** What is drawn, for tests: a canvas cannot be asked. */
  inspect() {
    return {
      bars: this._candles.data().length,
      orders: this._orders.inspect(),
      fills: this._fills.inspect(),
      levels: this.grid.lines.length,
      bands: this.grid.bands.length,
      range: this._candles.priceScale().getVisibleRange(),
    };
  }

  /** @param {Store} store */
  _renderBars(store) {
    const { isNew, bars } = store.bars.take();
    this._count = store.bars.all.length;
    this._setDigits(store.digits);
    if (isNew) {
      this._newest = bars.at(-1)?.time ?? 0;
      this._candles.setData(bars.map(candleOf));
      this._volume.setData(bars.map(volumeOf));
      if (this._isAnother && bars.length) this.fit();
      this._isAnother &&= bars.length === 0;
      return;
    }
    for (const bar of bars) {
      this._candles.update(candleOf(bar), bar.time < this._newest);
      this._volume.update(volumeOf(bar), bar.time < this._newest);
      this._newest = Math.max(this._newest, bar.time);
    }
  }

  /** @param {number} digits */
  _setDigits(digits) {
    if (digits === this._digits) return;
    this._digits = digits;
    const formatter = (/** @type {number} */ price) => fixed(price, digits);
    this._candles.applyOptions({ priceFormat: { type: "custom", minMove: 10 ** -digits, formatter } });
  }

  /** @param {Store} store */
  _renderEntry(store) {
    const price = entryPrice(store);
    if (price === null) {
      if (this._entry) this._candles.removePriceLine(this._entry);
      this._entry = null;
    } else if (this._entry) {
      this._entry.applyOptions({ price });
    } else {
      this._entry = this._candles.createPriceLine({ ...ENTRY_LINE, price });
    }
  }

  /** @param {AutoscaleInfo | null} info */
  _autoscale(info) {
    const range = info?.priceRange;
    if (!info || !range) return info;
    const reach = (range.maxValue - range.minValue) * REACH;
    const [lowest, highest] = [range.minValue - reach, range.maxValue + reach];
    const near = this._orders.prices.filter((price) => price >= lowest && price <= highest);
    return {
      ...info,
      priceRange: {
        minValue: Math.min(range.minValue, ...near),
        maxValue: Math.max(range.maxValue, ...near),
      },
    };
  }
}

const OPTIONS = {
  autoSize: true,
  layout: {
    // The logo injects a style element, which our content security policy forbids; the footer has the attribution.
    attributionLogo: false,
    background: { color: COLORS.background },
    textColor: COLORS.text,
    fontSize: 11,
  },
  grid: { vertLines: { color: COLORS.gridLine }, horzLines: { visible: false } },
  crosshair: {
    mode: CrosshairMode.Normal,
    vertLine: { color: COLORS.crosshair, labelBackgroundColor: "#26303f" },
    horzLine: { color: COLORS.crosshair, labelBackgroundColor: "#26303f" },
  },
  rightPriceScale: { borderColor: COLORS.border, scaleMargins: { top: 0.08, bottom: 0.14 } },
  timeScale: { borderColor: COLORS.border, timeVisible: true, secondsVisible: false, rightOffset: ROOM_RIGHT },
};

const CANDLE_OPTIONS = {
  upColor: COLORS.up,
  downColor: COLORS.down,
  borderUpColor: COLORS.up,
  borderDownColor: COLORS.down,
  wickUpColor: COLORS.up,
  wickDownColor: COLORS.down,
  priceLineColor: COLORS.last,
  priceLineStyle: LineStyle.Dotted,
};

const VOLUME_OPTIONS = {
  color: COLORS.volume,
  priceFormat: { type: /** @type {const} */ ("volume") },
  priceScaleId: "",
  priceLineVisible: false,
  lastValueVisible: false,
};

const ENTRY_LINE = {
  color: COLORS.entry,
  lineWidth: /** @type {const} */ (1),
  lineStyle: LineStyle.Solid,
  axisLabelVisible: true,
  axisLabelColor: "#3a4658",
  axisLabelTextColor: "#dce3ed",
  title: "entry",
};

/** @param {Bar} bar @returns {CandlestickData<UTCTimestamp>} */
function candleOf(bar) {
  return { time: /** @type {UTCTimestamp} */ (bar.time), open: bar.open, high: bar.high, low: bar.low, close: bar.close };
}

/** @param {Bar} bar */
function volumeOf(bar) {
  return { time: /** @type {UTCTimestamp} */ (bar.time), value: bar.volume };
}

/** What the position was entered at, null when there is none. @param {Store} store @returns {number | null} */
function entryPrice(store) {
  const price = Number(store.position?.entryPrice ?? 0);
  return price > 0 && Number(store.position?.amount ?? 0) !== 0 ? price : null;
}

/** The line above the chart: the candle under the pointer, or the newest. @param {Store} store @param {number | null} time */
export function legendOf(store, time) {
  const bar = (time !== null && store.bars.all.find((each) => each.time === time)) || store.bars.last;
  if (!bar) return "";
  const digits = store.digits;
  const prices = { O: bar.open, H: bar.high, L: bar.low, C: bar.close };
  const written = Object.entries(prices).map(([name, price]) => `${name} ${fixed(price, digits)}`);
  const next = store.bars.all.find((each) => each.time > bar.time)?.time ?? Infinity;
  const fills = store.trades.filter((trade) => trade.time >= bar.time && trade.time < next);
  const told = (/** @type {"buy" | "sell"} */ side) => fills.filter((trade) => trade.side === side).length;
  const counts = fills.length ? [`▲ ${told("buy")} bought`, `▼ ${told("sell")} sold`] : [];
  return [...written, `V ${quantity(bar.volume.toFixed(4))}`, ...counts].join("   ");
}
