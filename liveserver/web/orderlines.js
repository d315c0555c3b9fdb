// @ts-check
/** Open orders as price lines: dashed while untouched, solid once partly filled, with what is still to be filled. */

/** @import { IPriceLine, ISeriesApi } from "./vendor/lightweight-charts.mjs" */
/** @import { Order } from "./messages.js" */
import { LineStyle } from "./vendor/lightweight-charts.mjs";
import { COLORS } from "./colors.js";
import { quantity } from "./format.js";
import { OrderSizes } from "./ordersizes.js";

/** So many orders of each side have their price on the axis: more would cover each other, and the axis. */
const LABELLED = 1;

export class OrderLines {
  /** @param {ISeriesApi<"Candlestick">} series */
  constructor(series) {
    this._series = series;
    /** @type {Map<string, IPriceLine>} */
    this._lines = new Map();
    this._sizes = new OrderSizes();
    series.attachPrimitive(this._sizes);
    /** @type {number[]} */
    this.prices = [];
  }

  /** @param {Map<string, Order>} orders by id @param {number | null} keepFree a price whose label is not to be covered */
  render(orders, keepFree) {
    const all = [...orders.values()];
    const labelled = new Set([...nearest(all, "BUY"), ...nearest(all, "SELL")]);
    this.prices = all.map((order) => Number(order.price));
    for (const [id, line] of this._lines) {
      if (orders.has(id)) continue;
      this._series.removePriceLine(line);
      this._lines.delete(id);
    }
    for (const order of all) {
      const options = lineOf(order, labelled.has(order.id));
      const line = this._lines.get(order.id);
      if (!line) this._lines.set(order.id, this._series.createPriceLine(options));
      else if (!isSame(line, options)) line.applyOptions(options);
    }
    this._sizes.show(all.map((order) => sizeOf(order, labelled.has(order.id))), keepFree);
  }

  inspect() {
    const options = [...this._lines.values()].map((line) => line.options());
    return options.map(({ price, title, color }) => ({ price, title, color }));
  }
}

/** @param {Order} order @param {boolean} isLabelled */
function lineOf(order, isLabelled) {
  const color = order.side === "BUY" ? COLORS.buy : COLORS.sell;
  return {
    id: order.id,
    price: Number(order.price),
    color,
    lineWidth: /** @type {const} */ (1),
    lineStyle: order.status === "PARTIALLY_FILLED" ? LineStyle.Solid : LineStyle.Dashed,
    axisLabelVisible: isLabelled,
    axisLabelColor: color,
    axisLabelTextColor: COLORS.background,
    title: restOf(order),
  };
}

/** @param {IPriceLine} line @param {ReturnType<typeof lineOf>} options */
function isSame(line, options) {
  const shown = line.options();
  return (
    shown.price === options.price &&
    shown.title === options.title &&
    shown.lineStyle === options.lineStyle &&
    shown.axisLabelVisible === options.axisLabelVisible
  );
}

/** @param {Order} order @param {boolean} isLabelled */
function sizeOf(order, isLabelled) {
  return { price: Number(order.price), text: restOf(order), isBuy: order.side === "BUY", isLabelled };
}

/** What is still to be filled; nothing where that is not public. @param {Order} order */
function restOf(order) {
  if (order.quantity === "") return "";
  return quantity(Number(order.quantity) - Number(order.filled));
}

/** The ids of the orders of a side that are nearest to the market. @param {Order[]} orders @param {"BUY" | "SELL"} side */
function nearest(orders, side) {
  const direction = side === "BUY" ? -1 : 1;
  return orders
    .filter((order) => order.side === side)
    .sort((a, b) => direction * (Number(a.price) - Number(b.price)))
    .slice(0, LABELLED)
    .map((order) => order.id);
}
