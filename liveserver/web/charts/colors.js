// @ts-check
/** Colors of the canvas: blue for buys and gains, orange for sells and losses. */

export const COLORS = {
  background: "#0b0e13",
  text: "#8d99ab",
  gridLine: "rgba(141, 153, 171, 0.05)",
  border: "#1e2632",
  crosshair: "#5d6b80",
  up: "#8ea0b8",
  down: "#465267",
  volume: "rgba(141, 153, 171, 0.16)",
  buy: "#56a8ff",
  sell: "#ffa24a",
  buyFill: "#9fd0ff",
  sellFill: "#ffc58f",
  entry: "rgba(220, 227, 237, 0.55)",
  last: "rgba(220, 227, 237, 0.75)",
  level: "rgba(141, 153, 171, 0.10)",
  openLevel: "rgba(141, 153, 171, 0.16)",
  longBand: "rgba(86, 168, 255, 0.07)",
  shortBand: "rgba(255, 162, 74, 0.07)",
};
