// @ts-check
/** The commands that whoever looks may give: a button each, a question first, and the engine's answer. */

/** @import { Who } from "./session.js" */
import { byId, make, setChildren, setText } from "./dom.js";
import { words } from "./format.js";

/** What a command does, for those who are about to give it. @type {Record<string, string>} */
const EFFECTS = {
  pause: "Nothing that opens a position is placed; what closes goes on.",
  resume: "It quotes again.",
  trip: "Opens the circuit breaker by hand.",
  reset: "Closes the circuit breaker.",
  stop: "Cancels all orders of ours and keeps the position.",
  flatten: "Cancels all orders of ours and closes the position at the market.",
  reconcile: "Compares our books with the venue's now.",
  remove: "Stops, and trades it no more.",
};
const GRAVE = new Set(["trip", "stop", "flatten", "remove"]);

export class Control {
  /** @param {() => { symbol: string, venue: string } | null} market what is shown now */
  constructor(market) {
    this._market = market;
    this._command = "";
    this._key = "";
    this._dialog = /** @type {HTMLDialogElement} */ (byId("command"));
    this._reason = /** @type {HTMLInputElement} */ (byId("command-reason"));
    this._go = /** @type {HTMLButtonElement} */ (byId("command-go"));
    byId("command-cancel").addEventListener("click", () => this._dialog.close());
    byId("command-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this._give();
    });
  }

  /** Show the buttons that somebody may press. @param {Who} who */
  offer(who) {
    const offered = who.commands.filter((command) => !command.takes_arguments);
    setChildren(byId("commands"), offered.map(({ name }) => this._button(name)));
  }

  /** @param {string} name */
  _button(name) {
    const button = /** @type {HTMLButtonElement} */ (make("button", GRAVE.has(name) ? "grave" : "", words(name)));
    button.type = "button";
    button.addEventListener("click", () => this._ask(name));
    return button;
  }

  /** @param {string} name */
  _ask(name) {
    const market = this._market();
    if (!market) return;
    this._command = name;
    // Pressed twice, or sent again after a fault of the network, it is given once.
    this._key = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16)).join("");
    setText(byId("command-title"), `${words(name)} ${market.symbol} on ${market.venue}?`);
    setText(byId("command-effect"), EFFECTS[name] ?? "");
    setText(byId("command-answer"), "");
    setText(this._go, words(name));
    this._go.className = GRAVE.has(name) ? "grave" : "";
    this._go.hidden = false;
    this._reason.value = "";
    this._dialog.showModal();
    this._reason.focus();
  }

  async _give() {
    const market = this._market();
    if (!market || this._go.disabled || this._go.hidden) return;
    this._go.disabled = true;
    setText(byId("command-answer"), "Sent; waiting for the engine …");
    const body = { command: this._command, ...market, reason: this._reason.value, key: this._key };
    const answer = await fetch("api/control", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }).catch(() => null);
    const said = await answer?.json().catch(() => null);
    this._go.disabled = false;
    this._go.hidden = answer?.ok ?? false;
    setText(byId("command-answer"), written(said));
  }
}

/** @param {any} said what the server answered @returns {string} */
function written(said) {
  if (!said) return "The server does not answer: it may have been given. Press again to be sure; it is given once.";
  if (said.error) return [said.what, said.hint].filter(Boolean).join("; ");
  if (said.state === "accepted") return `Accepted: ${said.detail} (id ${said.command_id})`;
  return [words(said.outcome ?? ""), said.detail].filter(Boolean).join(": ");
}
