// @ts-check
/** What is still to be filled of each order, written on its line as far as there is room between the lines. */

/** @import { IPrimitivePaneRenderer, IPrimitivePaneView, ISeriesApi, ISeriesPrimitive, SeriesAttachedParameter, Time } from "./vendor/lightweight-charts.mjs" */
import { COLORS } from "./colors.js";

/** @typedef {Parameters<IPrimitivePaneRenderer["draw"]>[0]} Target */
/** @typedef {{ price: number, text: string, isBuy: boolean, isLabelled: boolean }} Size */

/** Heights in pixels: of a size, and of a label beside the axis. */
const ROOM = 12;
const LABEL_ROOM = 16;
const MARGIN = 6;

/** @implements {ISeriesPrimitive<Time>} */
export class OrderSizes {
  constructor() {
    /** @type {Size[]} */
    this._byImportance = [];
    /** @type {number | null} */
    this._keepFree = null;
    /** @type {ISeriesApi<"Candlestick"> | null} */
    this._series = null;
    this._redraw = () => {};
    /** @type {IPrimitivePaneView[]} */
    this._views = [{ zOrder: () => "top", renderer: () => ({ draw: (target) => this._draw(target) }) }];
  }

  /** @param {Size[]} sizes those with a label on the axis keep their room free @param {number | null} keepFree another such price */
  show(sizes, keepFree) {
    this._keepFree = keepFree;
    this._byImportance = [...sizes].sort((a, b) => Number(b.isLabelled) - Number(a.isLabelled) || b.price - a.price);
    this._redraw();
  }

  /** @param {SeriesAttachedParameter<Time, "Candlestick">} attached */
  attached(attached) {
    this._series = attached.series;
    this._redraw = attached.requestUpdate;
  }

  detached() {
    this._series = null;
    this._redraw = () => {};
  }

  paneViews() {
    return this._views;
  }

  /** @param {Target} target */
  _draw(target) {
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      context.font = "10px ui-sans-serif, system-ui, sans-serif";
      context.textAlign = "right";
      context.textBaseline = "middle";
      const free = this._keepFree === null ? null : (this._series?.priceToCoordinate(this._keepFree) ?? null);
      const taken = free === null ? [] : [{ y: free, room: LABEL_ROOM }];
      for (const size of this._byImportance) {
        const y = this._series?.priceToCoordinate(size.price) ?? null;
        const room = size.isLabelled ? LABEL_ROOM : ROOM;
        if (y === null || taken.some((other) => Math.abs(other.y - y) < Math.max(other.room, room))) continue;
        taken.push({ y, room });
        if (!size.isLabelled) write(context, mediaSize.width, y, size);
      }
    });
  }
}

/** @param {CanvasRenderingContext2D} context @param {number} right @param {number} y @param {Size} size */
function write(context, right, y, size) {
  const width = context.measureText(size.text).width + MARGIN;
  context.fillStyle = COLORS.background;
  context.fillRect(right - width - MARGIN, y - ROOM / 2, width, ROOM);
  context.fillStyle = size.isBuy ? COLORS.buy : COLORS.sell;
  context.fillText(size.text, right - MARGIN * 1.5, y);
}
