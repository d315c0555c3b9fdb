// @ts-check
/** The price lattice: a line per level, and a band from an open fill to its closing price. */

/** @import { IPrimitivePaneRenderer, IPrimitivePaneView, ISeriesApi, ISeriesPrimitive, SeriesAttachedParameter, Time } from "../vendor/lightweight-charts.mjs" */
/** @import { Slot } from "../messages.js" */
import { COLORS } from "./colors.js";

/** @typedef {Parameters<IPrimitivePaneRenderer["draw"]>[0]} Target */
/** @typedef {{ price: number, isOpen: boolean }} Line */
/** @typedef {{ from: number, to: number, isLong: boolean }} Band */

/** @implements {ISeriesPrimitive<Time>} */
export class GridLines {
  /** @type {Line[]} */
  lines = [];
  /** @type {Band[]} */
  bands = [];
  /** @type {ISeriesApi<"Candlestick"> | null} */
  #series = null;
  #redraw = () => {};
  /** @type {IPrimitivePaneView[]} */
  #views = [{ zOrder: () => "bottom", renderer: () => ({ draw: (target) => this.#draw(target) }) }];

  /** @param {Slot[]} slots @param {number} interval the distance between levels */
  setSlots(slots, interval) {
    this.lines = slots.map((slot) => ({ price: Number(slot.price), isOpen: slot.status === "OPEN" }));
    this.bands = slots.filter((slot) => Number(slot.held) !== 0).map((slot) => bandOf(slot, interval));
    this.#redraw();
  }

  /** @param {SeriesAttachedParameter<Time, "Candlestick">} attached */
  attached(attached) {
    this.#series = attached.series;
    this.#redraw = attached.requestUpdate;
  }

  detached() {
    this.#series = null;
    this.#redraw = () => {};
  }

  paneViews() {
    return this.#views;
  }

  /** @param {Target} target */
  #draw(target) {
    target.useBitmapCoordinateSpace(({ context, bitmapSize, verticalPixelRatio }) => {
      /** @param {number} price */
      const y = (price) => {
        const coordinate = this.#series?.priceToCoordinate(price) ?? null;
        return coordinate === null ? null : Math.round(coordinate * verticalPixelRatio);
      };
      for (const band of this.bands) {
        const [from, to] = [y(band.from), y(band.to)];
        if (from === null || to === null) continue;
        context.fillStyle = band.isLong ? COLORS.longBand : COLORS.shortBand;
        context.fillRect(0, Math.min(from, to), bitmapSize.width, Math.max(Math.abs(to - from), 1));
      }
      for (const line of this.lines) {
        const at = y(line.price);
        if (at === null) continue;
        context.fillStyle = line.isOpen ? COLORS.openLevel : COLORS.level;
        context.fillRect(0, at, bitmapSize.width, Math.max(1, Math.floor(verticalPixelRatio)));
      }
    });
  }
}

/** @param {Slot} slot @param {number} interval @returns {Band} */
function bandOf(slot, interval) {
  const isLong = Number(slot.held) > 0;
  const from = Number(slot.price);
  const to = slot.order_price === null ? from + (isLong ? interval : -interval) : Number(slot.order_price);
  return { from, to, isLong };
}
