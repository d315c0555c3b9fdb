// @ts-check
/** Operator commands: a button each, a confirmation dialog, and the engine's answer. */

/** @import { CommandOffer } from "../api/session.js" */
import { byId, make, setChildren, setText } from "../dom.js";
import { words } from "../format.js";

/** Commands that end orders, positions or trading: their buttons are highlighted. */
const GRAVE = new Set(["trip", "stop", "flatten", "remove"]);

export class Control {
  #market;
  #venuePosition;
  /** The name of the command in the dialog. */
  #command = "";
  /** Its idempotency key: a retry, or a second press, is applied once. */
  #key = "";
  /** The effect of each offered command, as a sentence. @type {Map<string, string>} */
  #effects = new Map();
  #dialog = /** @type {HTMLDialogElement} */ (byId("command"));
  #reason = /** @type {HTMLInputElement} */ (byId("command-reason"));
  /** The position to accept, of a reconcile. */
  #accept = /** @type {HTMLInputElement} */ (byId("command-accept"));
  #submit = /** @type {HTMLButtonElement} */ (byId("command-go"));

  /**
   * @param {() => { symbol: string, venue: string } | null} market the shown market
   * @param {() => string | null} venuePosition the position at the venue, if it differs from the books
   */
  constructor(market, venuePosition) {
    this.#market = market;
    this.#venuePosition = venuePosition;
    // An accepted position is booked, so it needs a reason.
    this.#accept.addEventListener("input", () => (this.#reason.required = this.#accept.value !== ""));
    byId("command-cancel").addEventListener("click", () => this.#dialog.close());
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
  }

  /** @param {string} name */
  #button(name) {
    const button = /** @type {HTMLButtonElement} */ (make("button", GRAVE.has(name) ? "grave" : "", words(name)));
    button.type = "button";
    button.addEventListener("click", () => this.#confirm(name));
    return button;
  }

  /** @param {string} name */
  #confirm(name) {
    const market = this.#market();
    if (!market) return;
    this.#command = name;
    this.#key = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16)).join("");
    setText(byId("command-title"), `${words(name)} ${market.symbol} on ${market.venue}?`);
    setText(byId("command-effect"), this.#effects.get(name) ?? "");
    setText(byId("command-answer"), "");
    setText(this.#submit, words(name));
    this.#submit.className = GRAVE.has(name) ? "grave" : "";
    this.#submit.hidden = false;
    this.#reason.value = "";
    byId("command-accept-field").hidden = name !== "reconcile";
    const position = this.#venuePosition();
    this.#accept.placeholder = position === null ? "empty: only compare" : `${position} at the venue; empty: only compare`;
    this.#accept.value = "";
    this.#reason.required = false;
    this.#dialog.showModal();
    this.#reason.focus();
  }

  async #give() {
    const market = this.#market();
    if (!market || this.#submit.disabled || this.#submit.hidden) return;
    this.#submit.disabled = true;
    setText(byId("command-answer"), "Sent; waiting for the engine …");
    const accepted = this.#accept.value.trim();
    const request = {
      command: this.#command,
      ...market,
      reason: this.#reason.value,
      key: this.#key,
      arguments: accepted ? { accept: accepted } : {},
    };
    const answer = await fetch("api/control", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    }).catch(() => null);
    const body = await answer?.json().catch(() => null);
    this.#submit.disabled = false;
    this.#submit.hidden = answer?.ok ?? false;
    setText(byId("command-answer"), describe(body));
  }
}

/** @param {any} body the server's answer @returns {string} */
function describe(body) {
  if (!body) return "No answer from the server; the command may have been given. Press again to retry: it is applied once.";
  if (body.error) return [body.what, body.hint].filter(Boolean).join("; ");
  if (body.state === "accepted") return `Accepted: ${body.detail} (id ${body.command_id})`;
  return [words(body.outcome ?? ""), body.detail].filter(Boolean).join(": ");
}
