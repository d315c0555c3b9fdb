// @ts-check
/** The chart: candles, open orders as lines, fills as markers, and the price lattice behind. */

/** @import { AutoscaleInfo, CandlestickData, IPriceLine, MouseEventParams, Time, UTCTimestamp } from "../vendor/lightweight-charts.mjs" */
/** @import { Bar } from "../model/bars.js" */
/** @import { Part, Store } from "../model/store.js" */
import {
  CandlestickSeries,
  CrosshairMode,
  HistogramSeries,
  LineStyle,
  createChart,
} from "../vendor/lightweight-charts.mjs";
import { COLORS } from "./colors.js";
import { clock, day, fixed, quantity } from "../format.js";
import { FillMarkers } from "./fillmarkers.js";
import { GridLines } from "./gridlines.js";
import { OrderLines } from "./orderlines.js";
import { FLASH_MS } from "../panels/flash.js";

/** Prices that are highlighted at once; more fills in a burst are not. */
const MAX_FLASHES = 5;

/** Candles that are visible at first, fewer on a small screen. */
const MAX_VISIBLE_BARS = 150;
/** The width of a bar at first on a small screen. */
const PIXELS_PER_BAR = 7;
/** Empty space right of the newest candle, in bars. */
const RIGHT_OFFSET = 8;
/** Orders within this many heights of the price range are scaled into view; farther ones would flatten the candles. */
const ORDER_REACH = 0.5;

export class PriceChart {
  #container;
  #chart;
  #volume;
  #candles;
  #grid = new GridLines();
  #orders;
  #fills;
  /** @type {IPriceLine | null} */
  #entry = null;
  /** Whether to fit the view at the next bars, because another symbol or interval is shown. */
  #mustFit = true;
  /** The time of the newest drawn bar. */
  #newestTime = 0;
  /** The prices that are highlighted. @type {Set<number>} */
  #flashes = new Set();
  /** The number of bars. */
  #count = 0;
  /** The decimal places of the price axis; -1 before the first bars. */
  #digits = -1;

  /** @param {HTMLElement} container @param {(time: number | null) => void} onHover receives the time of the candle under the pointer */
  constructor(container, onHover) {
    this.#container = container;
    this.#chart = createChart(container, OPTIONS);
    this.#volume = this.#chart.addSeries(HistogramSeries, VOLUME_OPTIONS);
    this.#volume.priceScale().applyOptions({ scaleMargins: { top: 0.88, bottom: 0 } });
    this.#candles = this.#chart.addSeries(CandlestickSeries, {
      ...CANDLE_OPTIONS,
      autoscaleInfoProvider: (/** @type {() => AutoscaleInfo | null} */ original) => this.#autoscale(original()),
    });
    this.#candles.attachPrimitive(this.#grid);
    this.#orders = new OrderLines(this.#candles);
    this.#fills = new FillMarkers(this.#candles);
    this.#chart.subscribeCrosshairMove((/** @type {MouseEventParams<Time>} */ event) =>
      onHover(typeof event.time === "number" ? event.time : null),
    );
  }

  /** @param {Store} store @param {Set<Part>} changed */
  render(store, changed) {
    if (changed.has("bars")) this.#renderBars(store);
    if (changed.has("orders") || changed.has("position")) this.#orders.render(store.orders, entryPrice(store));
    if (changed.has("position")) this.#renderEntry(store);
    if (changed.has("grid")) this.#grid.setSlots(store.grid?.slots ?? [], Number(store.grid?.price_interval ?? 0));
    if (changed.has("trades") || changed.has("bars")) this.#fills.render(store.trades, store.bars.all);
  }

  /** Fit the view at the next bars: another symbol or interval is shown. */
  reset() {
    this.#mustFit = true;
  }

  /** Show the newest candles with automatic price scale. */
  fit() {
    const count = this.#count;
    const visible = Math.min(MAX_VISIBLE_BARS, Math.round(this.#container.clientWidth / PIXELS_PER_BAR));
    this.#chart.timeScale().setVisibleLogicalRange({ from: count - visible, to: count + RIGHT_OFFSET });
    this.#candles.priceScale().applyOptions({ autoScale: true });
  }

  /** Highlight the price of a new fill for a moment. @param {"buy" | "sell"} side @param {number} price */
  flash(side, price) {
    if (this.#flashes.has(price) || this.#flashes.size >= MAX_FLASHES) return;
    this.#flashes.add(price);
    const color = side === "buy" ? COLORS.buyFill : COLORS.sellFill;
    const line = this.#candles.createPriceLine({ ...FLASH_LINE, price, color, axisLabelColor: color });
    setTimeout(() => {
      this.#candles.removePriceLine(line);
      this.#flashes.delete(price);
    }, FLASH_MS);
  }

  /** Return what is drawn, for tests, because a canvas cannot be inspected. */
  inspect() {
    return {
      bars: this.#candles.data().length,
      orders: this.#orders.inspect(),
      fills: this.#fills.inspect(),
      levels: this.#grid.lines.length,
      bands: this.#grid.bands.length,
      flashes: this.#flashes.size,
      range: this.#candles.priceScale().getVisibleRange(),
    };
  }

  /** @param {Store} store */
  #renderBars(store) {
    const { isReset, bars } = store.bars.takeChanges();
    this.#count = store.bars.all.length;
    this.#setDigits(store.digits);
    if (isReset) {
      this.#newestTime = bars.at(-1)?.time ?? 0;
      this.#candles.setData(bars.map(candleOf));
      this.#volume.setData(bars.map(volumeOf));
      if (this.#mustFit && bars.length) this.fit();
      this.#mustFit &&= bars.length === 0;
      return;
    }
    for (const bar of bars) {
      this.#candles.update(candleOf(bar), bar.time < this.#newestTime);
      this.#volume.update(volumeOf(bar), bar.time < this.#newestTime);
      this.#newestTime = Math.max(this.#newestTime, bar.time);
    }
  }

  /** @param {number} digits */
  #setDigits(digits) {
    if (digits === this.#digits) return;
    this.#digits = digits;
    const formatter = (/** @type {number} */ price) => fixed(price, digits);
    this.#candles.applyOptions({ priceFormat: { type: "custom", minMove: 10 ** -digits, formatter } });
  }

  /** @param {Store} store */
  #renderEntry(store) {
    const price = entryPrice(store);
    if (price === null) {
      if (this.#entry) this.#candles.removePriceLine(this.#entry);
      this.#entry = null;
    } else if (this.#entry) {
      this.#entry.applyOptions({ price });
    } else {
      this.#entry = this.#candles.createPriceLine({ ...ENTRY_LINE, price });
    }
  }

  /** @param {AutoscaleInfo | null} info */
  #autoscale(info) {
    const range = info?.priceRange;
    if (!info || !range) return info;
    const reach = (range.maxValue - range.minValue) * ORDER_REACH;
    const [lowest, highest] = [range.minValue - reach, range.maxValue + reach];
    const near = this.#orders.prices.filter((price) => price >= lowest && price <= highest);
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
    // The logo injects a style element, which the content security policy forbids; the footer has the attribution.
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
  timeScale: { borderColor: COLORS.border, timeVisible: true, secondsVisible: false, rightOffset: RIGHT_OFFSET, tickMarkFormatter: tickMark, tickMarkMaxCharacterLength: 12 },
  localization: { timeFormatter: (/** @type {Time} */ time) => minute(Number(time)) },
};

/** The label of a tick of the time axis; null for the library's own. Times of another day than today carry their date. @param {Time} time */
function tickMark(time) {
  const milliseconds = Number(time) * 1000;
  return day(milliseconds) === day(Date.now()) ? null : `${day(milliseconds).slice(5)} ${clock(milliseconds).slice(0, 5)}`;
}

/** Such as `2026-11-21 09:30`. @param {number} seconds since the epoch */
function minute(seconds) {
  return `${day(seconds * 1000)} ${clock(seconds * 1000).slice(0, 5)}`;
}

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

const FLASH_LINE = {
  lineWidth: /** @type {const} */ (4),
  lineStyle: LineStyle.Solid,
  axisLabelVisible: true,
  axisLabelTextColor: COLORS.background,
  title: "filled",
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

/** The entry price of the position; null if it is flat. @param {Store} store @returns {number | null} */
function entryPrice(store) {
  const price = Number(store.position?.entryPrice ?? 0);
  return price > 0 && Number(store.position?.amount ?? 0) !== 0 ? price : null;
}

/** The legend: the candle under the pointer, or the newest. @param {Store} store @param {number | null} time */
export function legendOf(store, time) {
  const bar = (time !== null && store.bars.all.find((each) => each.time === time)) || store.bars.last;
  if (!bar) return "";
  const digits = store.digits;
  const prices = { O: bar.open, H: bar.high, L: bar.low, C: bar.close };
  const written = Object.entries(prices).map(([name, price]) => `${name} ${fixed(price, digits)}`);
  const next = store.bars.all.find((each) => each.time > bar.time)?.time ?? Infinity;
  const fills = store.trades.filter((trade) => trade.time >= bar.time && trade.time < next);
  const countOf = (/** @type {"buy" | "sell"} */ side) => fills.filter((trade) => trade.side === side).length;
  const counts = fills.length ? [`▲ ${countOf("buy")} bought`, `▼ ${countOf("sell")} sold`] : [];
  return [minute(bar.time), ...written, `V ${quantity(bar.volume.toFixed(4))}`, ...counts].join("   ");
}
