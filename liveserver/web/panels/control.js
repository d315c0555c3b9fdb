// @ts-check
/** Operator commands: a button each, and a dialog that is about one market from the question to the result. */

/** @import { CommandAnswer } from "../api/commands.js" */
/** @import { CommandOffer } from "../api/session.js" */
/** @import { Liveness } from "../model/liveness.js" */
/** @import { Store } from "../model/store.js" */
import { commandResult, giveCommand, isFinal } from "../api/commands.js";
import { byId, make, setChildren, setData, setText, trapFocus, withCommands } from "../dom.js";
import { capitalized, count, quantity, sentence, words } from "../format.js";

/** @typedef {{ symbol: string, venue: string }} Market the ccxt symbol and the venue */
/** @typedef {"progress" | "good" | "warn" | "wrong"} Level */

/** Commands that end orders, positions or trading: their buttons are highlighted. */
const GRAVE = new Set(["trip", "stop", "flatten", "remove"]);
/** The interval at which the result of a command is asked for. */
const POLL_MS = 500;
/** Time after which a command without an answer is marked: something does not run. */
const SLOW_ANSWER_MS = 5000;
/** The dialog of a command that was applied closes by itself after this time. */
const CLOSE_AFTER_MS = 4000;

export class Control {
  /** The address of the bus, for commands to paste. @type {string | undefined} */
  #bus;
  /** The market that is shown now; the dialog keeps its own. @type {Market | null} */
  #shown = null;
  /** @type {Store["grid"]} */
  #grid = null;
  /** The market of the open dialog. @type {Market} */
  #market = { symbol: "", venue: "" };
  /** The name of the command in the dialog. */
  #command = "";
  /** Its idempotency key: a retry, or a second press, is applied once. */
  #key = "";
  /** Why no command can be given; empty if one can. */
  #lock = "";
  /** What a silent part means for a command; empty if all are well. */
  #warning = "";
  #isSending = false;
  /** Whether the command was given: then the dialog stays for its result, whatever the page shows. */
  #isGiven = false;
  #closeTimer = 0;
  /** The effect of each offered command, as a sentence. @type {Map<string, string>} */
  #effects = new Map();
  #dialog = /** @type {HTMLDialogElement} */ (byId("command"));
  #reason = /** @type {HTMLInputElement} */ (byId("command-reason"));
  /** The position to accept, of a reconcile. */
  #accept = /** @type {HTMLInputElement} */ (byId("command-accept"));
  #submit = /** @type {HTMLButtonElement} */ (byId("command-go"));
  #close = /** @type {HTMLButtonElement} */ (byId("command-cancel"));

  constructor() {
    trapFocus(this.#dialog);
    // An accepted position is booked, so it needs a reason.
    this.#accept.addEventListener("input", () => (this.#reason.required = this.#accept.value !== ""));
    this.#close.addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => clearTimeout(this.#closeTimer));
    // The result is being read.
    this.#dialog.addEventListener("pointermove", () => clearTimeout(this.#closeTimer));
    byId("command-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#give();
    });
  }

  /** Show a button for each command that needs no arguments. @param {CommandOffer[]} commands */
  offer(commands) {
    const offered = commands.filter((command) => !command.takes_arguments);
    this.#effects = new Map(offered.map(({ name, effect }) => [name, effect]));
    setChildren(byId("commands"), offered.map(({ name }) => this.#button(name)));
    this.#applyLock();
  }

  /** Follow what the page shows, and whether commands can be given. @param {Store} store @param {Liveness} liveness */
  update(store, liveness) {
    this.#grid = store.grid;
    this.#bus = store.server?.bus;
    this.#shown = store.status && { symbol: store.status.market, venue: store.status.venue };
    if (this.#shown) this.#closeIfAboutAnother(this.#shown);
    this.#warning = store.status?.blocked ? sentence(store.status.blocked_text || words(store.status.blocked)) : "";
    if (this.#lock === liveness.lock) return;
    this.#lock = liveness.lock;
    this.#applyLock();
  }

  /** Close a question about another market than the one that is shown; a command that was given stays. @param {Market} shown */
  #closeIfAboutAnother(shown) {
    const isSame = shown.symbol === this.#market.symbol && shown.venue === this.#market.venue;
    if (this.#dialog.open && !this.#isGiven && !isSame) this.#dialog.close();
  }

  /** The page goes to another address: a question about the market shown so far is closed. */
  leaveMarket() {
    if (!this.#isGiven) this.#dialog.close();
  }

  #applyLock() {
    for (const button of byId("commands").querySelectorAll("button")) {
      button.disabled = this.#lock !== "";
      button.title = this.#lock || (this.#effects.get(button.dataset.command ?? "") ?? "");
    }
    setText(byId("command-lock"), this.#lock);
    this.#submit.disabled = this.#isSending || this.#lock !== "";
    this.#submit.title = this.#lock;
  }

  /** @param {string} name */
  #button(name) {
    const button = /** @type {HTMLButtonElement} */ (make("button", GRAVE.has(name) ? "grave" : "", words(name)));
    button.type = "button";
    button.dataset.command = name;
    button.addEventListener("click", () => this.#ask(name));
    return button;
  }

  /** @param {string} name */
  #ask(name) {
    if (!this.#shown || this.#lock) return;
    this.#market = this.#shown;
    this.#command = name;
    this.#isGiven = false;
    this.#key = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16)).join("");
    setText(byId("command-title"), `${words(name)} ${nameOf(this.#market)}?`);
    setText(byId("command-effect"), this.#effects.get(name) ?? "");
    setText(byId("command-warning"), this.#warning);
    this.#showAnswer("progress", []);
    setText(this.#submit, words(name));
    this.#submit.className = GRAVE.has(name) ? "grave" : "";
    this.#submit.hidden = false;
    this.#reason.value = "";
    byId("command-accept-field").hidden = name !== "reconcile";
    const position = this.#grid?.venue_position ?? null;
    this.#accept.placeholder = position === null ? "empty: only compare" : `${position} at the venue; empty: only compare`;
    this.#accept.value = "";
    this.#reason.required = false;
    this.#applyLock();
    this.#dialog.showModal();
    this.#reason.focus();
  }

  async #give() {
    if (this.#submit.disabled || this.#submit.hidden || this.#lock) return;
    const [key, market, accepted] = [this.#key, this.#market, this.#accept.value.trim()];
    this.#isSending = this.#isGiven = true;
    // The answer says what prevents the command's execution.
    setText(byId("command-warning"), "");
    this.#applyLock();
    this.#showAnswer("progress", [`Sent: ${this.#command} ${nameOf(market)}.`]);
    const since = Date.now();
    const slow = setTimeout(() => {
      if (this.#isAbout(key)) this.#showAnswer("warn", [`Sent: ${this.#command} ${nameOf(market)}.`, "No answer from the server yet: the command may have been given."]);
    }, SLOW_ANSWER_MS);
    let answer = await giveCommand({
      command: this.#command,
      ...market,
      reason: this.#reason.value,
      key,
      arguments: accepted ? { accept: accepted } : {},
    });
    clearTimeout(slow);
    this.#isSending = false;
    this.#submit.hidden = answer !== null && !answer.error;
    this.#applyLock();
    const id = answer?.command_id;
    while (this.#isAbout(key)) {
      this.#showAnswer(...describe(answer, market, Date.now() - since));
      if (!id || !answer || isFinal(answer)) break;
      await new Promise((resume) => setTimeout(resume, POLL_MS));
      // Without an answer the last one stands, marked as old.
      const newer = await commandResult(id);
      answer = newer ?? { ...answer, detail: "The server does not answer; asking again." };
    }
    if (this.#isAbout(key) && answer?.outcome === "applied") this.#closeSoon();
  }

  /** Whether the dialog is still open with the same command. @param {string} key */
  #isAbout(key) {
    return this.#dialog.open && this.#key === key;
  }

  /** Close on Enter, or after a moment. */
  #closeSoon() {
    this.#close.focus();
    this.#closeTimer = setTimeout(() => this.#dialog.close(), CLOSE_AFTER_MS);
  }

  /** @param {Level} level @param {string[]} lines */
  #showAnswer(level, lines) {
    const answer = byId("command-answer");
    setData(answer, "level", level);
    setChildren(answer, lines.map((line) => make("span", "", ...withCommands(line, this.#bus))));
  }
}

/** @param {Market} market */
function nameOf(market) {
  return `${market.symbol} on ${market.venue}`;
}

/** @type {Record<string, Level>} */
const LEVELS = { accepted: "progress", applied: "good", unchanged: "good", incomplete: "warn" };

/**
 * The answer as lines: what became of the command, where; figures; the engine's text.
 * @param {CommandAnswer | null} answer @param {Market} asked @param {number} waitedMs @returns {[Level, string[]]}
 */
function describe(answer, asked, waitedMs) {
  if (!answer) return ["warn", ["No answer from the server; the command may have been given.", "Press again to retry: it is applied once."]];
  if (answer.error) return ["wrong", [sentence(capitalized(answer.what ?? answer.error)), sentence(capitalized(answer.hint ?? ""))].filter(Boolean)];
  const market = { symbol: answer.market || asked.symbol, venue: answer.venue || asked.venue };
  const detail = sentence(capitalized(answer.detail ?? ""));
  if (!answer.outcome) {
    const isSlow = waitedMs > SLOW_ANSWER_MS;
    return [isSlow ? "warn" : "progress", [`Given to ${nameOf(market)}.`, detail || "The engine has not answered yet."]];
  }
  const figures = figuresOf(answer, market);
  const level = LEVELS[answer.outcome] ?? "wrong";
  return [level, [`${capitalized(words(answer.outcome))}: ${nameOf(market)}.`, figures, detail].filter(Boolean)];
}

/** Such as "12 orders canceled, none is still out; position 0.012 BTC." @param {CommandAnswer} answer @param {Market} market */
function figuresOf(answer, market) {
  const { orders_canceled: canceled = null, orders_out: out = null, position = null } = answer;
  const orders = [canceled !== null && `${count(canceled, "order")} canceled`, out !== null && (out ? `${out} still out` : "none is still out")];
  const left = position === null ? "" : `position ${quantity(position)} ${market.symbol.split("/")[0]}`;
  return sentence(capitalized([orders.filter(Boolean).join(", "), left].filter(Boolean).join("; ")));
}
