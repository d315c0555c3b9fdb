// @ts-check
/** Who looks at this page: asked of the server, logged in with a key or token, logged out again. */

import { byId, setText } from "./dom.js";

/**
 * @typedef {object} Who as the server says
 * @property {string} name
 * @property {string} role
 * @property {boolean} is_identified
 * @property {boolean} can_log_in
 * @property {boolean} may_watch
 * @property {boolean} redacted
 * @property {{ name: string, takes_arguments: boolean }[]} commands
 */

export class Session {
  /** @param {() => void} onLogin called when somebody else looks from now on @param {(who: Who) => void} onWho */
  constructor(onLogin, onWho) {
    this._onLogin = onLogin;
    this._onWho = onWho;
    /** @type {Who | null} */
    this.who = null;
    this._dialog = /** @type {HTMLDialogElement} */ (byId("login"));
    this._token = /** @type {HTMLInputElement} */ (byId("login-token"));
    byId("who").addEventListener("click", () => (this.who?.is_identified ? this._logOut() : this._ask("")));
    byId("login-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this._logIn();
    });
    byId("login-cancel").addEventListener("click", () => this._dialog.close());
  }

  /** Ask the server who this is; when nothing may be seen, ask for a key. */
  async ask() {
    const answer = await fetch("api/session").catch(() => null);
    if (answer?.ok) this._know(await answer.json());
  }

  /** @param {Who} who */
  _know(who) {
    this.who = who;
    const button = byId("who");
    button.hidden = !who.can_log_in;
    setText(button, who.is_identified ? `${who.name} · ${who.role} · log out` : "Log in");
    this._onWho(who);
    byId("login-cancel").hidden = !who.may_watch;
    if (!who.may_watch && !this._dialog.open) this._ask("This server wants to know who looks.");
  }

  /** @param {string} why */
  _ask(why) {
    setText(byId("login-why"), why);
    this._dialog.showModal();
    this._token.focus();
  }

  async _logIn() {
    const answer = await fetch("api/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: this._token.value.trim() }),
    }).catch(() => null);
    const said = await answer?.json().catch(() => null);
    if (!answer?.ok) {
      setText(byId("login-why"), said?.what ? `${capital(said.what)}.` : "The server does not answer.");
      return;
    }
    this._token.value = "";
    this._dialog.close();
    this._know(said);
    this._onLogin();
  }

  async _logOut() {
    await fetch("api/session", { method: "DELETE" }).catch(() => null);
    this._onLogin();
    await this.ask();
  }
}

/** @param {string} text */
function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
