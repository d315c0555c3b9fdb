// @ts-check
/** The choice of symbol and interval: links, keys, and the page's URL, which can be shared. */

/** @import { SymbolEntry } from "../messages.js" */
/** @import { Part, Store } from "../model/store.js" */
import { byId, isForTyping, make, setChildren } from "../dom.js";
import { fixed, money, moneyDigits, share, signOf } from "../format.js";
import { decimalPlaces } from "../model/bars.js";
import { beforeFees, shownProfit } from "../model/profit.js";

/** A symbol that is missing from the list for this long was removed. */
const MAX_MISSING_MS = 2000;
/** The time for which the removal of the shown symbol is shown. */
const NOTICE_MS = 30000;

/** Parts that change the list, and those that change only the entry of the shown symbol. @type {Part[]} */
const LIST_PARTS = ["symbols", "status", "replay"];
/** @type {Part[]} */
const ENTRY_PARTS = ["price", "grid"];

export class SymbolChoice {
  #onChange;
  /** @type {SymbolEntry[]} */
  #symbols = [];
  #shown = "";
  /** Since when the shown symbol is missing from the list, in milliseconds since the epoch; 0 while it is not. */
  #missingSince = 0;
  #noticeUntil = 0;
  /** That the shown symbol was removed, and another one is shown; else empty. */
  notice = "";
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

  /** Leave a symbol that was removed; call about twice a second. @param {Store} store @param {boolean} isLive @param {number} now milliseconds since the epoch */
  tick(store, isLive, now) {
    if (now > this.#noticeUntil) this.notice = "";
    const shown = store.status;
    const isListed = store.symbols.some((entry) => entry.market === shown?.market && entry.venue === shown.venue);
    if (!isLive || !shown || isListed || !store.symbols.length || store.server?.status !== "live") {
      this.#missingSince = 0;
      return;
    }
    this.#missingSince ||= now;
    if (now - this.#missingSince < MAX_MISSING_MS) return;
    const [next] = store.symbols;
    this.notice = `${shown.market} on ${shown.venue} was removed and is no longer traded. ${next.market} on ${next.venue} is shown now.`;
    this.#noticeUntil = now + NOTICE_MS;
    this.#missingSince = 0;
    this.choose("symbol", next.symbol);
  }

  /** The link of a symbol. @param {string} symbol @returns {HTMLElement | null} */
  linkOf(symbol) {
    return byId("symbols").querySelector(`[data-value="${CSS.escape(symbol)}"]`);
  }

  /** @param {Store} store @param {Set<Part>} changed */
  render(store, changed) {
    if (LIST_PARTS.some((part) => changed.has(part))) this.#renderSymbols(store);
    else if (ENTRY_PARTS.some((part) => changed.has(part))) this.#renderShown(store);
    if (changed.has("status")) this.#renderIntervals(store);
  }

  /** @param {Store} store */
  #renderSymbols(store) {
    this.#symbols = store.symbols;
    this.#shown = store.status?.symbol ?? this.requested.symbol;
    const links = store.symbols.map((entry) => linkOf(entry, store, entry.symbol === this.#shown));
    setChildren(byId("symbols"), links);
    const current = `${this.#shown} ${links.length}`;
    if (current === this.#scrolledFor) return;
    this.#scrolledFor = current;
    byId("symbols").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** @param {Store} store */
  #renderShown(store) {
    const entry = store.symbols.find((each) => each.symbol === this.#shown);
    const link = entry && linkOf(entry, store, true);
    const current = this.linkOf(this.#shown);
    if (link && current && !current.isEqualNode(link)) current.replaceChildren(...link.childNodes);
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
    if (isForTyping(event) || !this.#symbols.length) return;
    const at = this.#symbols.findIndex((entry) => entry.symbol === this.#shown);
    const count = this.#symbols.length;
    if (event.key !== "]" && event.key !== "[") return;
    const step = event.key === "]" ? 1 : -1;
    const next = (Math.max(at, 0) + step + count) % count;
    this.choose("symbol", this.#symbols[next].symbol);
  }
}

/** @param {SymbolEntry} entry @param {Store} store @param {boolean} isShown */
function linkOf(entry, store, isShown) {
  const link = /** @type {HTMLAnchorElement} */ (make("a", "symbol", make("b", "", entry.symbol)));
  link.href = `?symbol=${encodeURIComponent(entry.symbol)}`;
  link.dataset.key = link.dataset.value = entry.symbol;
  link.title = `${entry.market} on ${entry.venue}`;
  if (isShown) link.ariaCurrent = "page";
  link.dataset.state = entry.feed === "down" || entry.not_quoting ? "no" : entry.is_traded ? "yes" : "";
  // The list is about the present, which a replay does not show.
  if (store.isReplaying) return link;
  // The figures of the shown symbol are those of the other panels.
  const price = isShown && store.price !== null ? fixed(store.price, store.digits) : priceOf(entry);
  if (price) link.append(make("span", "", price));
  if (entry.total_profit !== null) link.append(gainOf(entry, store, isShown));
  return link;
}

/** @param {SymbolEntry} entry */
function priceOf(entry) {
  return entry.price === null ? "" : fixed(Number(entry.price), decimalPlaces(entry.price));
}

/** The total profit with its label and currency. @param {SymbolEntry} entry @param {Store} store @param {boolean} isShown */
function gainOf(entry, store, isShown) {
  const isRedacted = isShown && store.grid?.volume === "";
  const own = isShown && store.grid ? shownProfit(store.grid, store.price) : null;
  const profit = own?.total ?? Number(entry.total_profit);
  const digits = own?.digits ?? moneyDigits(profit);
  const quote = entry.quote || entry.market.split(":")[0].split("/")[1];
  const figure = make("span", "gain", isRedacted ? share(profit) : money(profit, digits));
  figure.dataset.sign = String(signOf(profit, digits));
  const gain = make("small", "", "profit ", figure, isRedacted ? "" : ` ${quote}`);
  gain.title = ["Total profit", beforeFees(entry.fees_other)].filter(Boolean).join(", ");
  return gain;
}
