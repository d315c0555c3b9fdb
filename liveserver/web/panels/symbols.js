// @ts-check
/** The choice of symbol and interval: links, keys, and the page's URL, which can be shared. */

/** @import { SymbolEntry } from "../messages.js" */
/** @import { Part, Store } from "../model/store.js" */
import { byId, make, setChildren } from "../dom.js";
import { fixed, money, moneyDigits, signOf } from "../format.js";
import { decimalPlaces } from "../model/bars.js";
import { beforeFees } from "../model/profit.js";

export class SymbolChoice {
  #onChange;
  /** @type {SymbolEntry[]} */
  #symbols = [];
  #shown = "";
  /** The shown symbol and number of symbols when the link was last scrolled into view. */
  #scrolledFor = "";

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    addEventListener("popstate", onChange);
    addEventListener("keydown", (event) => this.#handleKey(event));
    byId("symbols").addEventListener("click", (event) => this.#handleClick(event, "symbol"));
    byId("intervals").addEventListener("click", (event) => this.#handleClick(event, "interval"));
  }

  /** The symbol that the URL requests. @returns {{ symbol: string, venue: string, interval: string }} */
  get requested() {
    const query = new URLSearchParams(location.search);
    return { symbol: query.get("symbol") ?? "", venue: query.get("venue") ?? "", interval: query.get("interval") ?? "" };
  }

  /** @param {string} name @param {string} value */
  choose(name, value) {
    const query = new URLSearchParams(location.search);
    if (query.get(name) === value) return;
    query.set(name, value);
    if (name === "symbol") query.delete("venue");
    history.pushState(null, "", `?${query}`);
    this.#onChange();
  }

  /** @param {Store} store @param {Set<Part>} changed */
  render(store, changed) {
    if (changed.has("symbols") || changed.has("status")) this.#renderSymbols(store);
    if (changed.has("status")) this.#renderIntervals(store);
  }

  /** @param {Store} store */
  #renderSymbols(store) {
    this.#symbols = store.symbols;
    this.#shown = store.status?.symbol ?? this.requested.symbol;
    const links = store.symbols.map((entry) => linkOf(entry, entry.symbol === this.#shown));
    setChildren(byId("symbols"), links);
    const current = `${this.#shown} ${links.length}`;
    if (current === this.#scrolledFor) return;
    this.#scrolledFor = current;
    byId("symbols").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** @param {Store} store */
  #renderIntervals(store) {
    const { intervals = [], interval = "" } = store.status ?? {};
    const buttons = intervals.map((each) => {
      const button = make("button", "", each);
      button.dataset.value = each;
      button.ariaPressed = String(each === interval);
      return button;
    });
    setChildren(byId("intervals"), buttons.length > 1 ? buttons : []);
  }

  /** @param {MouseEvent} event @param {string} name */
  #handleClick(event, name) {
    const target = /** @type {HTMLElement} */ (event.target).closest("[data-value]");
    if (!(target instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.choose(name, target.dataset.value ?? "");
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#symbols.length) return;
    const at = this.#symbols.findIndex((entry) => entry.symbol === this.#shown);
    const count = this.#symbols.length;
    if (event.key !== "]" && event.key !== "[") return;
    const step = event.key === "]" ? 1 : -1;
    const next = (Math.max(at, 0) + step + count) % count;
    this.choose("symbol", this.#symbols[next].symbol);
  }
}

/** @param {SymbolEntry} entry @param {boolean} isShown */
function linkOf(entry, isShown) {
  const link = /** @type {HTMLAnchorElement} */ (make("a", "symbol", make("b", "", entry.symbol)));
  link.href = `?symbol=${encodeURIComponent(entry.symbol)}`;
  link.dataset.value = entry.symbol;
  link.title = `${entry.market} on ${entry.venue}`;
  if (isShown) link.ariaCurrent = "page";
  if (entry.price !== null) link.append(make("span", "", fixed(Number(entry.price), decimalPlaces(entry.price))));
  if (entry.total_profit !== null) {
    const profit = Number(entry.total_profit);
    const gain = make("span", "gain", money(profit));
    gain.dataset.sign = String(signOf(profit, moneyDigits(profit)));
    gain.title = beforeFees(entry.fees_other);
    link.append(gain);
  }
  link.dataset.state = entry.feed === "down" || entry.not_quoting ? "no" : entry.is_traded ? "yes" : "";
  return link;
}
