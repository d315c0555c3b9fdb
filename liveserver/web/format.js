// @ts-check
/** Formatting of numbers and times. Signs repeat what colors show, for color-blind users. */

const MINUS = "\u2212";
const NARROW_SPACE = "\u202f";

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

/** A number with exactly `digits` decimal places, at most 12. @param {number} value @param {number} digits */
export function fixed(value, digits) {
  const text = formatOf(Math.min(Math.max(digits, 0), 12)).format(value);
  // A number that rounds to zero has no sign.
  return /^-[0.,]*$/.test(text) ? text.slice(1) : text.replace("-", MINUS);
}

/** As `fixed`, with a plus sign for numbers that do not round to zero. @param {number} value @param {number} digits */
export function signed(value, digits) {
  const text = fixed(value, digits);
  return text.startsWith(MINUS) || !/[1-9]/.test(text) ? text : `+${text}`;
}

/** An amount with a sign; `digits` default to those that fit its size. @param {number} value @param {number} [digits] */
export function money(value, digits = moneyDigits(value)) {
  return signed(value, digits);
}

/** Amounts from here on are shown without decimal places. */
const MIN_WHOLE_AMOUNT = 100000;
/** Amounts below this one, except 0, are shown with four decimal places instead of two. */
const MIN_USUAL_AMOUNT = 0.1;

/** The number of decimal places for amounts, according to the largest. @param {...number} values */
export function moneyDigits(...values) {
  const size = Math.max(...values.map(Math.abs));
  if (size >= MIN_WHOLE_AMOUNT) return 0;
  return size >= MIN_USUAL_AMOUNT || size === 0 ? 2 : 4;
}

/** A quantity without trailing zeros; empty if redacted. @param {string | number} value */
export function quantity(value) {
  if (value === "") return "";
  const text = new Intl.NumberFormat("en-US", { maximumFractionDigits: 8 }).format(Number(value));
  return text === "-0" ? "0" : text.replace("-", MINUS);
}

/** A short number, such as `1.2M`. @param {number} value */
export function compact(value) {
  return new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** A ratio as a percentage with a sign: 0.05 is `+5.00 %`. @param {number} ratio */
export function percent(ratio) {
  return `${signed(ratio * 100, 2)}${NARROW_SPACE}%`;
}

/** A share of the traded volume, which needs more digits than `percent`. @param {number} ratio */
export function share(ratio) {
  return `${signed(ratio * 100, 3)}${NARROW_SPACE}%`;
}

/** A speed-up factor, such as `600×`. @param {number} value */
export function factor(value) {
  return `${quantity(value)}×`;
}

/** A duration in its largest unit, rounded down, such as `5 min`. @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}${NARROW_SPACE}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}${NARROW_SPACE}min`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}${NARROW_SPACE}h`;
  return `${Math.floor(whole / 86400)}${NARROW_SPACE}d`;
}

/** The UTC time of day, such as `09:30:00`. @param {number} milliseconds since the epoch */
export function clock(milliseconds) {
  return new Date(milliseconds).toISOString().slice(11, 19);
}

/** The UTC date, such as `2026-11-21`. @param {number} milliseconds since the epoch */
export function day(milliseconds) {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

/** The UTC date and time of day, such as `2026-11-21 09:30:00`. @param {number} milliseconds since the epoch */
export function dateAndTime(milliseconds) {
  return `${day(milliseconds)} ${clock(milliseconds)}`;
}

/** The sign of a number as it is displayed: `-1`, `0` or `1`. @param {number} value @param {number} digits */
export function signOf(value, digits) {
  return Math.sign(Number(value.toFixed(digits)));
}

/** A code as words, such as "margin locked" for `margin_locked`. @param {string} code */
export function words(code) {
  return code.replaceAll("_", " ");
}

/** With a capital first letter. @param {string} text */
export function capitalized(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** With a final full stop, as a sentence of several; empty text stays empty. @param {string} text */
export function sentence(text) {
  const trimmed = text.trim();
  return !trimmed || /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

/** Such as "1 buy", "2 buys". @param {number} number @param {string} noun */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
