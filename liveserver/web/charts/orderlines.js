// @ts-check
/** Price lines of open orders: dashed, or solid once partly filled, with the remaining size. */

/** @import { IPriceLine, ISeriesApi } from "../vendor/lightweight-charts.mjs" */
/** @import { Order } from "../messages.js" */
import { LineStyle } from "../vendor/lightweight-charts.mjs";
import { COLORS } from "./colors.js";
import { quantity } from "../format.js";
import { OrderSizes } from "./ordersizes.js";

/** Orders per side with a label on the price axis, where more would overlap. */
const LABELS_PER_SIDE = 1;

export class OrderLines {
  /** @type {ISeriesApi<"Candlestick">} */
  #series;
  /** @type {Map<string, IPriceLine>} */
  #lines = new Map();
  #sizes = new OrderSizes();
  /** @type {number[]} */
  prices = [];

  /** @param {ISeriesApi<"Candlestick">} series */
  constructor(series) {
    this.#series = series;
    series.attachPrimitive(this.#sizes);
  }

  /** @param {Map<string, Order>} orders by id @param {number | null} reservedPrice a price whose axis label must stay readable */
  render(orders, reservedPrice) {
    const all = [...orders.values()];
    const labelled = new Set([...nearest(all, "BUY"), ...nearest(all, "SELL")]);
    this.prices = all.map((order) => Number(order.price));
    for (const [id, line] of this.#lines) {
      if (orders.has(id)) continue;
      this.#series.removePriceLine(line);
      this.#lines.delete(id);
    }
    for (const order of all) {
      const options = lineOf(order, labelled.has(order.id));
      const line = this.#lines.get(order.id);
      if (!line) this.#lines.set(order.id, this.#series.createPriceLine(options));
      else if (!isSame(line, options)) line.applyOptions(options);
    }
    this.#sizes.setSizes(all.map((order) => sizeOf(order, labelled.has(order.id))), reservedPrice);
  }

  inspect() {
    const options = [...this.#lines.values()].map((line) => line.options());
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
    title: remainingOf(order),
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
  return { price: Number(order.price), text: remainingOf(order), isBuy: order.side === "BUY", isLabelled };
}

/** The remaining quantity; empty if it is redacted. @param {Order} order */
function remainingOf(order) {
  if (order.quantity === "") return "";
  return quantity(Number(order.quantity) - Number(order.filled));
}

/** The ids of the orders of a side nearest to the market. @param {Order[]} orders @param {"BUY" | "SELL"} side */
function nearest(orders, side) {
  const direction = side === "BUY" ? -1 : 1;
  return orders
    .filter((order) => order.side === side)
    .sort((a, b) => direction * (Number(a.price) - Number(b.price)))
    .slice(0, LABELS_PER_SIDE)
    .map((order) => order.id);
}
