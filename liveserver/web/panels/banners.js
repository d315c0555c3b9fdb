// @ts-check
/** Banners: what is wrong, who or what caused it, and what to do. */

/** @import { Grid, PartState } from "../messages.js" */
/** @import { Liveness } from "../model/liveness.js" */
/** @import { Store, Part } from "../model/store.js" */
import { byId, make, setChildren, setText, withCommands } from "../dom.js";
import { capitalized, clock, dateAndTime, sentence, words } from "../format.js";

/** @typedef {{ level: string, text: string, remedy?: string }} Banner */

/** @type {Part[]} */
const PARTS = ["grid", "risk", "status", "server", "symbols", "liveness"];

/** @param {Store} store @param {Set<Part>} changed @param {Liveness} liveness @param {string} notice an own message of the page */
export function renderBanners(store, changed, liveness, notice) {
  if (changed.has("replay") || changed.has("liveness")) renderReplayBanner(store);
  if (!PARTS.some((part) => changed.has(part))) return;
  const banners = bannersOf(store, liveness);
  if (notice) banners.push({ level: "medium", text: notice });
  setChildren(byId("banners"), banners.map((each) => bannerOf(each, store.server?.bus)));
}

/** The time that a replay shows; apart from the others, because a screen reader would read it out every second. @param {Store} store */
function renderReplayBanner(store) {
  const banner = byId("replay-banner");
  banner.hidden = !store.isReplaying;
  if (store.isReplaying) setText(banner, `Replay: you are looking at ${dateAndTime(store.replayAt * 1000)} UTC, not at the present.`);
}

/** @param {Banner} banner @param {string} [bus] the address of the bus */
function bannerOf({ level, text, remedy }, bus) {
  const element = make("p", "banner", make("span", "", text));
  element.dataset.level = level;
  if (remedy) element.append(" ", ...withCommands(remedy, bus));
  return element;
}

/** @param {Store} store @param {Liveness} liveness @returns {Banner[]} */
function bannersOf(store, liveness) {
  /** @type {Banner[]} */
  const banners = [];
  if (liveness.problem) banners.push({ level: "high", text: liveness.problem });
  // Without a connection the rest is as old as the data, but not wrong.
  banners.push(...partBanners(store));
  const ofMarket = [...marketBanners(store), ...gridBanners(store)];
  // What helped at the time of a replay would act on the present.
  banners.push(...(store.isReplaying ? ofMarket.map(({ level, text }) => ({ level, text })) : ofMarket));
  return banners;
}

/** The kind of part that a code of `status.blocked` is about. @type {Record<string, string>} */
const BLOCKING_KIND = {
  engine_silent: "engine",
  gateway_silent: "gateway",
  account_silent: "account",
  market_silent: "market",
  venue_unreachable: "venue",
  bus_silent: "bus",
};

/** @param {Store} store @returns {Banner[]} */
function partBanners({ status, wrongParts, reasons }) {
  const blocked = status?.blocked ?? "";
  const kind = BLOCKING_KIND[blocked];
  const isBlocking = (/** @type {PartState} */ part) =>
    part.kind === kind && (part.name === status?.venue || !part.venues.length || part.venues.includes(status?.venue ?? ""));
  const others = wrongParts.filter((part) => !isBlocking(part)).map((part) => ({
    level: part.state === "degraded" || part.is_replaced ? "medium" : "high",
    text: sentence(part.detail) || `${labelOf(part)} ${stateOf(part)}.`,
    remedy: part.remedy,
  }));
  if (!blocked) return others;
  const text = status?.blocked_text || reasons.get(blocked)?.text || words(blocked);
  const remedy = status?.blocked_remedy || wrongParts.find(isBlocking)?.remedy || reasons.get(blocked)?.hint;
  return [{ level: "high", text: `${capitalized(words(blocked))}: ${sentence(text)}`, remedy }, ...others];
}

/** @param {PartState} part */
function labelOf(part) {
  const of = part.venues.length ? ` of ${part.venues.join(", ")}` : "";
  switch (part.kind) {
    case "market":
    case "account":
      return `The ${part.kind} publisher${of}`;
    case "venue":
      return `The venue ${part.name}`;
    case "liveserver":
      return `The live server ${part.name}`;
    default:
      return `The ${part.kind}${of}`;
  }
}

/** @param {PartState & { since: number }} part */
function stateOf(part) {
  const since = part.age_ms === null ? "" : ` since ${clock(part.since)} UTC`;
  switch (part.state) {
    case "missing":
      return "has sent no heartbeat";
    case "unreachable":
      return `does not answer${since}`;
    case "degraded":
      return "reports a problem";
    default:
      return `is ${part.state}${since}`;
  }
}

/** @param {Store} store @returns {Banner[]} */
function marketBanners({ status, risk, grid, server }) {
  /** @type {Banner[]} */
  const banners = [];
  if (server?.status === "waiting") banners.push({ level: "medium", text: "The live server is still reading the bus: something may be missing." });
  if (status?.problem) banners.push({ level: "high", text: status.problem });
  if (status?.feed === "down" || status?.feed === "gapped") {
    const state = status.feed === "down" ? "is down" : "has missed data";
    const reason = status.feed_reason ? `: ${status.feed_reason}` : "";
    banners.push({ level: "high", text: sentence(`The market feed ${state}${reason}`) });
  }
  for (const guard of risk?.active ?? []) {
    // The banner of the reason says the same, and what to do.
    if (guard.reason === grid?.not_quoting) continue;
    const remedy = guard.remedy;
    banners.push({ level: guard.severity.toLowerCase(), text: `Guard “${words(guard.reason)}”: ${guard.text} ${sentence(guard.message)}`, remedy });
  }
  return banners;
}

/** @param {Store} store @returns {Banner[]} */
function gridBanners({ grid, reasons }) {
  /** @type {Banner[]} */
  const banners = [];
  if (!grid) return banners;
  if (grid.venue_position !== null) {
    const text = `The venue has a position of ${grid.venue_position}, the books hold ${books(grid)}: reconcile to accept it.`;
    banners.push({ level: "high", text });
  }
  const code = grid.not_quoting;
  if (code) {
    const text = sentence(grid.not_quoting_text || reasons.get(code)?.text || "");
    const isNamed = !grid.halted_by || text.includes(grid.halted_by);
    const by = isNamed ? "" : ` By ${sentence(grid.halted_by ?? "")}`;
    banners.push({ level: "medium", text: `${capitalized(words(code))}: ${text}${by}`, remedy: grid.not_quoting_remedy || reasons.get(code)?.hint });
  }
  if (grid.paused && code && code !== "paused") banners.push({ level: "medium", text: "It is also paused: resume it afterwards." });
  return banners;
}

/** @param {Grid} grid */
function books(grid) {
  const foreign = Number(grid.foreign_position) ? ` and ${grid.foreign_position} that is not the grid's` : "";
  return `${grid.position}${foreign}`;
}
