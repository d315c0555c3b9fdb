// @ts-check
/** How numbers and times are written. A sign says what a colour says, for those who do not see the colour. */

const MINUS = "\u2212";
const NARROW = "\u202f";

/** @type {Map<number, Intl.NumberFormat>} */
const formats = new Map();

/** @param {number} digits */
function formatOf(digits) {
  let format = formats.get(digits);
  if (!format) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    formats.set(digits, format);
  }
  return format;
}

/** @param {number} value @param {number} digits */
export function fixed(value, digits) {
  const text = formatOf(Math.min(Math.max(digits, 0), 12)).format(value);
  // Rounded to nothing, a number has no sign.
  return /^-[0.,]*$/.test(text) ? text.slice(1) : text.replace("-", MINUS);
}

/** @param {number} value @param {number} digits */
export function signed(value, digits) {
  const text = fixed(value, digits);
  return text.startsWith(MINUS) || !/[1-9]/.test(text) ? text : `+${text}`;
}

/** Money, with the digits that matter: of itself, or of what it stands beside. @param {number} value @param {number} [digits] */
export function money(value, digits = moneyDigits(value)) {
  return signed(value, digits);
}

/** How many digits matter of amounts of which the largest is this. @param {...number} values */
export function moneyDigits(...values) {
  const size = Math.max(...values.map(Math.abs));
  return size >= 100000 ? 0 : size >= 0.1 || size === 0 ? 2 : 4;
}

/** A quantity as the venue writes it, without zeros at the end; nothing where it is not public. @param {string | number} value */
export function quantity(value) {
  if (value === "") return "";
  return new Intl.NumberFormat("en-US", { maximumFractionDigits: 8 }).format(Number(value)).replace("-", MINUS);
}

/** @param {number} value */
export function compact(value) {
  return new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** @param {number} ratio */
export function percent(ratio) {
  return `${signed(ratio * 100, 2)}${NARROW}%`;
}

/** A share too small for `percent`: of all that was traded. @param {number} ratio */
export function share(ratio) {
  return `${signed(ratio * 100, 3)}${NARROW}%`;
}

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}${NARROW}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}${NARROW}min`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}${NARROW}h`;
  return `${Math.floor(whole / 86400)}${NARROW}d`;
}

/** @param {number} milliseconds since the epoch */
export function clock(milliseconds) {
  return new Date(milliseconds).toISOString().slice(11, 19);
}

/** @param {number} milliseconds since the epoch */
export function day(milliseconds) {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

/** `-1`, `0` or `1`: which way a number is shown to go. @param {number} value @param {number} digits */
export function signOf(value, digits) {
  return Math.sign(Number(value.toFixed(digits)));
}

/** `margin_locked` as people write it. @param {string} word */
export function words(word) {
  return word.replaceAll("_", " ");
}
