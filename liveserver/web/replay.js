// @ts-check
/** The replay's controls: which past, how fast, pause, where, and back to the present. */

/** @import { Request } from "./messages.js" */
/** @import { Part, Store } from "./store.js" */
import { byId, setData, setText } from "./dom.js";

const DEFAULT_SPAN_S = 900;

export class ReplayBar {
  /** @param {(request: Request) => void} send @param {() => { symbol: string, venue: string, interval: string }} topic */
  constructor(send, topic) {
    this._send = send;
    this._topic = topic;
    this._bar = byId("replay-bar");
    this._from = input("replay-from");
    this._to = input("replay-to");
    this._speed = /** @type {HTMLSelectElement} */ (byId("replay-speed"));
    this._at = input("replay-at");
    this._isSeeking = false;
    this._isLeaving = false;
    /** @type {string | undefined} */
    this._state = undefined;
    byId("replay-open").addEventListener("click", () => this._toggle());
    byId("replay-start").addEventListener("click", () => this._start());
    byId("replay-play").addEventListener("click", () => this._play());
    byId("replay-stop").addEventListener("click", () => this._stop());
    this._speed.addEventListener("change", () => this._state === "playing" && send({ type: "play", data: { speed: this._chosen } }));
    this._at.addEventListener("input", () => (this._isSeeking = true));
    this._at.addEventListener("change", () => this._seek(Number(this._at.value)));
  }

  /** @param {Store} store @param {Set<Part>} changed */
  render(store, changed) {
    if (!changed.has("replay")) return;
    const replay = store.replay;
    this._state = replay?.state;
    const isOn = store.isReplaying;
    if (!isOn) this._isLeaving = false;
    if (isOn && !this._isLeaving) this._bar.hidden = false;
    byId("replay-open").ariaPressed = String(!this._bar.hidden);
    for (const id of ["replay-play", "replay-at", "replay-time"]) byId(id).hidden = !isOn;
    setText(byId("replay-play"), this._state === "playing" ? "Pause" : this._state === "ended" ? "Again" : "Play");
    setText(byId("replay-stop"), isOn ? "Back to live" : "Close");
    setData(byId("replay-note"), "level", this._state === "refused" ? "wrong" : "");
    setText(byId("replay-note"), noteOf(replay));
    if (!replay || !isOn) return;
    this._at.min = String(replay.start);
    this._at.max = String(replay.end);
    if (!this._isSeeking) this._at.value = String(replay.at);
    setText(byId("replay-time"), `${written(replay.at)} UTC`);
  }

  get _chosen() {
    return this._speed.value === "max" ? "max" : Number(this._speed.value);
  }

  _toggle() {
    if (!this._bar.hidden) return this._stop();
    const now = Math.floor(Date.now() / 1000);
    this._from.value ||= local(now - DEFAULT_SPAN_S);
    this._to.value = local(now);
    this._bar.hidden = false;
    byId("replay-open").ariaPressed = "true";
    this._from.focus();
  }

  _start() {
    const range = { from: `${this._from.value}Z`, to: `${this._to.value}Z` };
    this._send({ type: "replay", data: { topics: [this._topic()], ...range, speed: this._chosen } });
  }

  _play() {
    if (this._state === "playing") return this._send({ type: "pause" });
    if (this._state === "ended") this._seek(Number(this._at.min));
    this._send({ type: "play", data: { speed: this._chosen } });
  }

  /** @param {number} to seconds */
  _seek(to) {
    this._isSeeking = false;
    this._send({ type: "seek", data: { to } });
  }

  _stop() {
    this._isLeaving = this._state !== undefined && this._state !== "refused";
    if (this._isLeaving) this._send({ type: "stop" });
    this._bar.hidden = true;
    byId("replay-open").ariaPressed = "false";
  }
}

/** @param {Store["replay"]} replay */
function noteOf(replay) {
  if (replay?.state === "refused") return replay.detail ?? "";
  return replay?.kept_from ? `complete from ${written(replay.kept_from)} on` : "";
}

/** @param {string} id */
function input(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}

/** As a field for date and time has it. @param {number} seconds */
function local(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}

/** @param {number} seconds */
function written(seconds) {
  return local(seconds).replace("T", " ");
}
