// @ts-check
/** Notices of guards, quoting, reconciliation and commands. */

/** @import { Control, Figures, Notice } from "../messages.js" */
/** @import { Part, Store } from "../model/store.js" */
import { byId, make, setChildren, setText } from "../dom.js";
import { clock, quantity, words } from "../format.js";

/** @param {Store} store @param {Set<Part>} changed */
export function renderNotices(store, changed) {
  if (!changed.has("notices")) return;
  const list = byId("notices");
  const lines = [...store.notices].reverse().map(lineOf);
  setText(byId("notices-count"), store.notices.length ? String(store.notices.length) : "");
  setChildren(list, lines.length ? lines : [make("li", "empty", "Nothing to report")]);
}

/** @param {Notice} notice */
function lineOf(notice) {
  const { label, level, title, detail, figures = {}, hint } = describe(notice);
  const line = make(
    "li",
    "",
    make("time", "", clock(notice.data.time * 1000)),
    make("span", "kind", label),
    make("span", "detail", make("b", "", title), " ", detail, ...figuresOf(figures)),
  );
  line.dataset.level = level;
  if (hint) line.title = hint;
  return line;
}

/** @param {Notice} notice @returns {{ label: string, level: string, title: string, detail: string, figures?: Figures, hint?: string }} */
function describe(notice) {
  switch (notice.type) {
    case "risk_alert": {
      const { severity, reason, message, details, active, text, remedy } = notice.data;
      const level = active ? severity.toLowerCase() : "cleared";
      return { label: level, level, title: words(reason), detail: message, figures: details, hint: [text, remedy].filter(Boolean).join(" ") };
    }
    case "quoting": {
      const { previous, reason, text, detail } = notice.data;
      if (reason === null) return { label: "quoting", level: "info", title: "quoting", detail: previous ? `after: ${words(previous)}` : "" };
      return { label: "quoting", level: "medium", title: `not quoting: ${words(reason)}`, detail: detail || text };
    }
    case "reconciliation": {
      const { finding, action, order_id: order, text, remedy } = notice.data;
      const hint = [text, remedy].filter(Boolean).join(" ");
      return { label: "reconciled", level: "info", title: words(finding), detail: [order, action].filter(Boolean).join(": "), hint };
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
    case "control":
      return describeControl(notice.data);
  }
}

/** Outcomes of commands that need no attention. */
const GOOD_OUTCOMES = new Set(["applied", "unchanged", "accepted"]);

/** Such as: "stop applied", "by alice: maintenance. 12 orders canceled". @param {Control} control */
function describeControl({ command, outcome, operator, reason, detail }) {
  const given = [operator && `by ${operator}`, reason && `“${reason}”`].filter(Boolean).join(": ");
  // Some answers repeat who gave the command, and why.
  const isRepeated = detail === reason || detail === `${operator}: ${reason}`;
  const text = [given, isRepeated ? "" : detail].filter(Boolean).join(" · ");
  const level = GOOD_OUTCOMES.has(outcome) ? "info" : outcome === "incomplete" ? "medium" : "high";
  return { label: "control", level, title: `${command} ${words(outcome)}`, detail: text };
}

/** Figures as a line of their own, such as "drawdown 41.2 · limit 40". @param {Figures} figures */
function figuresOf(figures) {
  const text = Object.entries(figures).map(([name, value]) => `${words(name)} ${value}`).join(" · ");
  return text ? [make("small", "figures", text)] : [];
}
