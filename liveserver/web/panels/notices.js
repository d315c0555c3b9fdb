// @ts-check
/** Notices of guards, quoting, reconciliation and commands, and banners of active conditions. */

/** @import { Figures, Grid, Notice } from "../messages.js" */
/** @import { Part, Store } from "../model/store.js" */
import { byId, make, setChildren, setText } from "../dom.js";
import { clock, quantity, words } from "../format.js";

/** @param {Store} store @param {Set<Part>} changed */
export function renderNoticesAndBanners(store, changed) {
  if (changed.has("notices")) renderNotices(store);
  if (changed.has("grid") || changed.has("risk") || changed.has("status") || changed.has("server")) renderBanners(store);
}

/** @param {Store} store */
function renderNotices(store) {
  const list = byId("notices");
  const lines = [...store.notices].reverse().map(lineOf);
  setText(byId("notices-count"), store.notices.length ? String(store.notices.length) : "");
  setChildren(list, lines.length ? lines : [make("li", "empty", "Nothing to report")]);
}

/** @param {Notice} notice */
function lineOf(notice) {
  const { label, level, title, detail, figures = {} } = describe(notice);
  const line = make(
    "li",
    "",
    make("time", "", clock(notice.data.time * 1000)),
    make("span", "kind", label),
    make("span", "detail", make("b", "", title), " ", detail, ...figuresOf(figures)),
  );
  line.dataset.level = level;
  return line;
}

/** @param {Notice} notice @returns {{ label: string, level: string, title: string, detail: string, figures?: Figures }} */
function describe(notice) {
  switch (notice.type) {
    case "risk_alert": {
      const { severity, reason, message, details, active } = notice.data;
      const level = active ? severity.toLowerCase() : "cleared";
      return { label: level, level, title: words(reason), detail: message, figures: details };
    }
    case "quoting": {
      const { previous, reason, text, detail } = notice.data;
      if (reason === null) return { label: "quoting", level: "info", title: "quoting", detail: previous ? `after: ${words(previous)}` : "" };
      return { label: "quoting", level: "medium", title: `not quoting: ${words(reason)}`, detail: detail || text };
    }
    case "reconciliation": {
      const { finding, action, order_id: order } = notice.data;
      return { label: "reconciled", level: "info", title: words(finding), detail: [order, action].filter(Boolean).join(": ") };
    }
    case "position_corrected": {
      const { amount, price, operator, reason, trade_ids: trades } = notice.data;
      // Redacted: the amount is hidden.
      const booked = amount ? `${quantity(amount)} at ${Number(price)}` : "";
      const explained = trades.length ? `trade ${trades.join(", ")}` : "";
      const by = operator ? `by ${operator}` : "";
      const detail = [booked, explained, by, reason && `“${reason}”`].filter(Boolean).join(" · ");
      return { label: "corrected", level: "medium", title: "position", detail };
    }
    case "control": {
      const { command, outcome, operator, reason, detail } = notice.data;
      const by = operator ? `by ${operator}` : "";
      const details = [by, reason && `“${reason}”`, detail].filter(Boolean).join(" · ");
      return { label: "control", level: outcome === "applied" ? "info" : "medium", title: `${command} ${words(outcome)}`, detail: details };
    }
  }
}

/** Figures as a line of their own, such as "drawdown 41.2 · limit 40". @param {Figures} figures */
function figuresOf(figures) {
  const text = Object.entries(figures).map(([name, value]) => `${words(name)} ${value}`).join(" · ");
  return text ? [make("small", "figures", text)] : [];
}

/** @param {Store} store */
function renderBanners(store) {
  const list = byId("banners");
  const banners = bannersOf(store).map(({ level, text }) => {
    const banner = make("p", "banner", text);
    banner.dataset.level = level;
    return banner;
  });
  setChildren(list, banners);
}

/** @param {Grid} grid */
function books(grid) {
  const foreign = Number(grid.foreign_position) ? ` and ${grid.foreign_position} that is not the grid's` : "";
  return `${grid.position}${foreign}`;
}

/** @param {Store} store @returns {{ level: string, text: string }[]} */
function bannersOf(store) {
  const { status, grid, risk, server } = store;
  const banners = [];
  if (server?.status === "cut")
    banners.push({ level: "high", text: "The live server is disconnected from the bus: the data may be outdated." });
  if (status?.problem) banners.push({ level: "high", text: status.problem });
  if (status?.feed === "down" || status?.feed === "gapped") {
    const state = status.feed === "down" ? "is down" : "has missed data";
    const reason = status.feed_reason ? `: ${status.feed_reason}` : "";
    banners.push({ level: "high", text: `The market feed ${state}${reason}` });
  }
  for (const guard of risk?.active ?? [])
    banners.push({ level: guard.severity.toLowerCase(), text: `Guard “${words(guard.reason)}”: ${guard.message}` });
  if (grid?.venue_position != null)
    banners.push({
      level: "high",
      text: `The venue has a position of ${grid.venue_position}, the books hold ${books(grid)}: reconcile to accept it.`,
    });
  if (grid?.paused) banners.push({ level: "medium", text: "Paused by an operator: no opening orders are placed." });
  return banners;
}
