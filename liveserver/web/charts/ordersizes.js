// @ts-check
/** The remaining quantity of each order, written on its line where labels do not overlap. */

/** @import { IPrimitivePaneRenderer, IPrimitivePaneView, ISeriesApi, ISeriesPrimitive, SeriesAttachedParameter, Time } from "../vendor/lightweight-charts.mjs" */
import { COLORS } from "./colors.js";

/** @typedef {Parameters<IPrimitivePaneRenderer["draw"]>[0]} Target */
/** @typedef {{ price: number, text: string, isBuy: boolean, isLabelled: boolean }} Size */

/** Heights in pixels of a quantity, and of a label on the price axis. */
const TEXT_HEIGHT = 12;
const LABEL_HEIGHT = 16;
const MARGIN = 6;

/** @implements {ISeriesPrimitive<Time>} */
export class OrderSizes {
  /** Labelled orders first. @type {Size[]} */
  #sizes = [];
  /** @type {number | null} */
  #reservedPrice = null;
  /** @type {ISeriesApi<"Candlestick"> | null} */
  #series = null;
  #redraw = () => {};
  /** @type {IPrimitivePaneView[]} */
  #views = [{ zOrder: () => "top", renderer: () => ({ draw: (target) => this.#draw(target) }) }];

  /** @param {Size[]} sizes @param {number | null} reservedPrice a price whose axis label must stay readable */
  setSizes(sizes, reservedPrice) {
    this.#reservedPrice = reservedPrice;
    this.#sizes = [...sizes].sort((a, b) => Number(b.isLabelled) - Number(a.isLabelled) || b.price - a.price);
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
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      context.font = "10px ui-sans-serif, system-ui, sans-serif";
      context.textAlign = "right";
      context.textBaseline = "middle";
      const reserved = this.#reservedPrice === null ? null : (this.#series?.priceToCoordinate(this.#reservedPrice) ?? null);
      const taken = reserved === null ? [] : [{ y: reserved, height: LABEL_HEIGHT }];
      for (const size of this.#sizes) {
        const y = this.#series?.priceToCoordinate(size.price) ?? null;
        const height = size.isLabelled ? LABEL_HEIGHT : TEXT_HEIGHT;
        if (y === null || taken.some((other) => Math.abs(other.y - y) < Math.max(other.height, height))) continue;
        taken.push({ y, height });
        if (!size.isLabelled) write(context, mediaSize.width, y, size);
      }
    });
  }
}

/** @param {CanvasRenderingContext2D} context @param {number} right @param {number} y @param {Size} size */
function write(context, right, y, size) {
  const width = context.measureText(size.text).width + MARGIN;
  context.fillStyle = COLORS.background;
  context.fillRect(right - width - MARGIN, y - TEXT_HEIGHT / 2, width, TEXT_HEIGHT);
  context.fillStyle = size.isBuy ? COLORS.buy : COLORS.sell;
  context.fillText(size.text, right - MARGIN * 1.5, y);
}
