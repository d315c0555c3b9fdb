// @ts-check
/** The login session: queries the identity, logs in with a key or token, logs out. */

import { byId, setText, trapFocus } from "../dom.js";
import { capitalized } from "../format.js";

/**
 * @typedef {object} SessionInfo the answer of `/api/session`
 * @property {string} name
 * @property {string} role
 * @property {boolean} is_identified
 * @property {boolean} can_log_in
 * @property {boolean} may_watch
 * @property {boolean} redacted
 * @property {CommandOffer[]} commands
 */

/** @typedef {{ name: string, takes_arguments: boolean, effect: string }} CommandOffer a command that the identity may give */

export class Session {
  #onIdentityChange;
  #onInfo;
  /** @type {SessionInfo | null} */
  #info = null;
  /** Number of logins and logouts: an answer to a query from before the last one is outdated. */
  #changes = 0;
  #dialog = /** @type {HTMLDialogElement} */ (byId("login"));
  #token = /** @type {HTMLInputElement} */ (byId("login-token"));

  /** @param {() => void} onIdentityChange called after a login or logout @param {(info: SessionInfo) => void} onInfo */
  constructor(onIdentityChange, onInfo) {
    this.#onIdentityChange = onIdentityChange;
    this.#onInfo = onInfo;
    trapFocus(this.#dialog);
    byId("session-button").addEventListener("click", () => (this.#info?.is_identified ? this.#logOut() : this.#showLogin("")));
    byId("login-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#logIn();
    });
    byId("login-cancel").addEventListener("click", () => this.#dialog.close());
  }

  /** Query the session; if nothing may be watched without a login, show the login dialog. */
  async refresh() {
    const changes = this.#changes;
    const answer = await fetch("api/session").catch(() => null);
    const info = answer?.ok ? await answer.json() : null;
    if (info && changes === this.#changes) this.#setInfo(info);
  }

  /** @param {SessionInfo} info */
  #setInfo(info) {
    this.#info = info;
    const button = byId("session-button");
    button.hidden = !info.can_log_in;
    setText(button, info.is_identified ? `${info.name} · ${info.role} · log out` : "Log in");
    this.#onInfo(info);
    byId("login-cancel").hidden = !info.may_watch;
    if (!info.may_watch && !this.#dialog.open) this.#showLogin("This server requires authentication.");
  }

  /** @param {string} message */
  #showLogin(message) {
    setText(byId("login-message"), message);
    this.#dialog.showModal();
    this.#token.focus();
  }

  async #logIn() {
    const answer = await fetch("api/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: this.#token.value.trim() }),
    }).catch(() => null);
    const body = await answer?.json().catch(() => null);
    if (!answer?.ok) {
      setText(byId("login-message"), body?.what ? `${capitalized(body.what)}.` : "The server does not answer.");
      return;
    }
    this.#changes++;
    this.#token.value = "";
    this.#dialog.close();
    this.#setInfo(body);
    this.#onIdentityChange();
  }

  async #logOut() {
    await fetch("api/session", { method: "DELETE" }).catch(() => null);
    this.#changes++;
    this.#onIdentityChange();
    await this.refresh();
  }
}
