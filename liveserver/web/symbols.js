// @ts-check
/** Which symbol and interval are shown: the list, the keys, and the address, so that a link shows the same. */

/** @import { SymbolEntry } from "./messages.js" */
/** @import { Part, Store } from "./store.js" */
import { byId, make, setChildren } from "./dom.js";
import { fixed, money, moneyDigits, signOf } from "./format.js";
import { digitsBehindPoint } from "./bars.js";

export class Choice {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this._onChange = onChange;
    /** @type {SymbolEntry[]} */
    this._symbols = [];
    this._shown = "";
    this._inSight = "";
    addEventListener("popstate", onChange);
    addEventListener("keydown", (event) => this._key(event));
    byId("symbols").addEventListener("click", (event) => this._click(event, "symbol"));
    byId("intervals").addEventListener("click", (event) => this._click(event, "interval"));
  }

  /** What the address asks for. @returns {{ symbol: string, venue: string, interval: string }} */
  get wanted() {
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
    this._onChange();
  }

  /** @param {Store} store @param {Set<Part>} changed */
  render(store, changed) {
    if (changed.has("symbols") || changed.has("status")) this._renderSymbols(store);
    if (changed.has("status")) this._renderIntervals(store);
  }

  /** @param {Store} store */
  _renderSymbols(store) {
    this._symbols = store.symbols;
    this._shown = store.status?.symbol ?? this.wanted.symbol;
    const links = store.symbols.map((entry) => linkOf(entry, entry.symbol === this._shown));
    setChildren(byId("symbols"), links);
    const current = `${this._shown} ${links.length}`;
    if (current === this._inSight) return;
    this._inSight = current;
    byId("symbols").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** @param {Store} store */
  _renderIntervals(store) {
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
  _click(event, name) {
    const target = /** @type {HTMLElement} */ (event.target).closest("[data-value]");
    if (!(target instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.choose(name, target.dataset.value ?? "");
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this._symbols.length) return;
    const at = this._symbols.findIndex((entry) => entry.symbol === this._shown);
    const count = this._symbols.length;
    const step = event.key === "]" ? 1 : event.key === "[" ? -1 : 0;
    if (step) this.choose("symbol", this._symbols[(Math.max(at, 0) + step + count) % count].symbol);
  }
}

/** @param {SymbolEntry} entry @param {boolean} isShown */
function linkOf(entry, isShown) {
  const link = /** @type {HTMLAnchorElement} */ (make("a", "symbol", make("b", "", entry.symbol)));
  link.href = `?symbol=${encodeURIComponent(entry.symbol)}`;
  link.dataset.value = entry.symbol;
  link.title = `${entry.market} on ${entry.venue}`;
  if (isShown) link.ariaCurrent = "page";
  if (entry.price !== null) link.append(make("span", "", fixed(Number(entry.price), digitsBehindPoint(entry.price))));
  if (entry.total_profit !== null) {
    const profit = Number(entry.total_profit);
    const written = make("span", "gain", money(profit));
    written.dataset.sign = String(signOf(profit, moneyDigits(profit)));
    link.append(written);
  }
  link.dataset.state = entry.feed === "down" || entry.not_quoting ? "no" : entry.is_traded ? "yes" : "";
  return link;
}
