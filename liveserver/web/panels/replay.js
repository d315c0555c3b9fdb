// @ts-check
/** The controls of a replay: range, speed, pause, seek, and back to live data. */

/** @import { Request } from "../messages.js" */
/** @import { Part, Store } from "../model/store.js" */
import { byId, setData, setText } from "../dom.js";
import { capitalized, dateAndTime, sentence } from "../format.js";

/** The range that is proposed: the last 15 minutes. */
const DEFAULT_SPAN_S = 900;

export class ReplayBar {
  #send;
  #topic;
  #bar = byId("replay-bar");
  #from = input("replay-from");
  #to = input("replay-to");
  #speed = /** @type {HTMLSelectElement} */ (byId("replay-speed"));
  #at = input("replay-at");
  /** Whether the slider is being moved, so that messages must not move it. */
  #isSeeking = false;
  /** Whether the replay was stopped here, and the server has not confirmed it yet. */
  #isLeaving = false;
  /** @type {string | undefined} */
  #state = undefined;

  /** @param {(request: Request) => void} send @param {() => { symbol: string, venue: string, interval: string }} topic */
  constructor(send, topic) {
    this.#send = send;
    this.#topic = topic;
    byId("replay-open").addEventListener("click", () => this.#toggle());
    byId("replay-start").addEventListener("click", () => this.#start());
    byId("replay-play").addEventListener("click", () => this.#play());
    byId("replay-stop").addEventListener("click", () => this.#stop());
    this.#speed.addEventListener("change", () => this.#state === "playing" && send({ type: "play", data: { speed: this.#chosenSpeed } }));
    this.#at.addEventListener("input", () => (this.#isSeeking = true));
    this.#at.addEventListener("change", () => this.#seek(Number(this.#at.value)));
  }

  /** @param {Store} store @param {Set<Part>} changed */
  render(store, changed) {
    if (!changed.has("replay")) return;
    const replay = store.replay;
    this.#state = replay?.state;
    const isOn = store.isReplaying;
    if (!isOn) this.#isLeaving = false;
    if (isOn && !this.#isLeaving) this.#bar.hidden = false;
    byId("replay-open").ariaPressed = String(!this.#bar.hidden);
    for (const id of ["replay-play", "replay-at", "replay-time"]) byId(id).hidden = !isOn;
    setText(byId("replay-play"), this.#state === "playing" ? "Pause" : this.#state === "ended" ? "Again" : "Play");
    setText(byId("replay-stop"), isOn ? "Back to live" : "Close");
    setData(byId("replay-note"), "level", this.#state === "refused" ? "wrong" : "");
    setText(byId("replay-note"), noteOf(replay));
    if (!replay || !isOn) return;
    this.#at.min = String(replay.start);
    this.#at.max = String(replay.end);
    if (!this.#isSeeking) this.#at.value = String(store.replayAt);
    setText(byId("replay-time"), `${dateAndTime(store.replayAt * 1000)} UTC`);
  }

  get #chosenSpeed() {
    return this.#speed.value === "max" ? "max" : Number(this.#speed.value);
  }

  #toggle() {
    if (!this.#bar.hidden) return this.#stop();
    const now = Math.floor(Date.now() / 1000);
    this.#from.value ||= local(now - DEFAULT_SPAN_S);
    this.#to.value = local(now);
    this.#bar.hidden = false;
    byId("replay-open").ariaPressed = "true";
    this.#from.focus();
  }

  #start() {
    const range = { from: `${this.#from.value}Z`, to: `${this.#to.value}Z` };
    this.#send({ type: "replay", data: { topics: [this.#topic()], ...range, speed: this.#chosenSpeed } });
  }

  #play() {
    if (this.#state === "playing") return this.#send({ type: "pause" });
    if (this.#state === "ended") this.#seek(Number(this.#at.min));
    this.#send({ type: "play", data: { speed: this.#chosenSpeed } });
  }

  /** @param {number} to seconds since the epoch */
  #seek(to) {
    this.#isSeeking = false;
    this.#send({ type: "seek", data: { to } });
  }

  #stop() {
    this.#isLeaving = this.#state !== undefined && this.#state !== "refused";
    if (this.#isLeaving) this.#send({ type: "stop" });
    this.#bar.hidden = true;
    byId("replay-open").ariaPressed = "false";
  }
}

/** Why a replay was refused, or what of its range is not kept, as sentences. @param {Store["replay"]} replay */
function noteOf(replay) {
  if (!replay) return "";
  const { state, detail = "", start, kept_from: keptFrom = 0, grids_from: gridsFrom = 0 } = replay;
  if (state === "refused") return detail;
  const notes = [sentence(capitalized(detail))];
  if (keptFrom > start) notes.push(`Everything is kept from ${dateAndTime(keptFrom * 1000)} UTC on.`);
  if (gridsFrom) notes.push(`The grid's figures are kept from ${dateAndTime(gridsFrom * 1000)} UTC on.`);
  return notes.filter(Boolean).join(" ");
}

/** @param {string} id */
function input(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}

/** The value of a `datetime-local` input, such as 2026-11-21T09:30:00. @param {number} seconds */
function local(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}
