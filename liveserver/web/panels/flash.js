// @ts-check
/** Short highlights of a new fill: its row, and the tab of another symbol. */

/** The time for which a fill is highlighted. */
export const FLASH_MS = 1600;

/** Background colors: blue for buys, orange for sells. */
const COLORS = { buy: "rgb(86 168 255 / 0.45)", sell: "rgb(255 162 74 / 0.45)" };

/** Highlight an element, unless it is; one that has replaced another continues its highlight. @param {Element | null} element @param {"buy" | "sell"} side @param {number} elapsedMs */
export function flash(element, side, elapsedMs) {
  if (!element || element.getAnimations().length) return;
  const animation = element.animate([{ backgroundColor: COLORS[side] }, { backgroundColor: "transparent" }], FLASH_MS);
  animation.currentTime = elapsedMs;
}
