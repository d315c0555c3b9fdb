// @ts-check
/** A short tone for each burst of fills, with a mute button and a volume slider. */

/** @import { NewFill } from "../model/store.js" */
import { byId, isForTyping, setData, setText } from "../dom.js";

/** The shortest time between two tones, in all tabs of this server together. */
const MIN_INTERVAL_MS = 300;
const TONE_S = 0.25;
/** The peak amplitude at full volume. */
const MAX_GAIN = 0.5;
const DEFAULT_VOLUME = 0.4;
/** Start and end of the tone in hertz: rising for a buy, falling for a sell. */
const PITCH = { buy: [660, 990], sell: [880, 587] };

const VOLUME_KEY = "opensqt.volume";
const MUTED_KEY = "opensqt.muted";
/** The name of the lock that one tab holds while its tone is recent, so that ten tabs make one tone. */
const LOCK = "opensqt.tone";

export class FillSound {
  /** @type {AudioContext | null} */
  #context = null;
  #button = byId("sound");
  #slider = /** @type {HTMLInputElement} */ (byId("sound-volume"));
  #isMuted = localStorage.getItem(MUTED_KEY) === "true";
  #playedAt = 0;
  /** The side of each tone that was played, for tests. @type {("buy" | "sell")[]} */
  played = [];

  constructor() {
    this.#slider.value = localStorage.getItem(VOLUME_KEY) ?? String(DEFAULT_VOLUME);
    this.#slider.addEventListener("input", () => localStorage.setItem(VOLUME_KEY, this.#slider.value));
    this.#slider.addEventListener("change", () => this.#playTone("buy"));
    this.#button.addEventListener("click", () => this.#toggle());
    addEventListener("keydown", (event) => event.key === "m" && !isForTyping(event) && this.#toggle());
    // Browsers allow sound only after a gesture on the page. The button decides for itself.
    for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, (event) => event.target !== this.#button && this.#unlock(), { capture: true });
    this.#render();
  }

  /** Play one tone for new fills, unless one was just played. @param {NewFill[]} fills in the order of time */
  play(fills) {
    const side = fills.at(-1)?.side;
    const now = performance.now();
    if (!side || this.#state !== "on" || now - this.#playedAt < MIN_INTERVAL_MS) return;
    this.#playedAt = now;
    if (!navigator.locks) return this.#playTone(side); // not available without TLS, except on this machine
    void navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
      if (!lock) return;
      this.#playTone(side);
      await new Promise((resume) => setTimeout(resume, MIN_INTERVAL_MS));
    });
  }

  /** @returns {"on" | "off" | "blocked"} `blocked`: by the browser, until the page is clicked */
  get #state() {
    if (this.#isMuted) return "off";
    return this.#context?.state === "running" ? "on" : "blocked";
  }

  #toggle() {
    // A click while the browser blocks the sound allows it, and does not mute it.
    const isAllowing = this.#button.dataset.state === "blocked";
    this.#isMuted = isAllowing ? false : !this.#isMuted;
    localStorage.setItem(MUTED_KEY, String(this.#isMuted));
    this.#unlock();
    this.#render();
  }

  #unlock() {
    if (this.#isMuted || this.#context?.state === "running") return;
    if (!this.#context) {
      this.#context = new AudioContext();
      this.#context.onstatechange = () => this.#render();
    }
    void this.#context.resume().then(() => this.#render());
  }

  /** @param {"buy" | "sell"} side */
  #playTone(side) {
    if (this.#state !== "on" || !this.#context) return;
    this.played.push(side);
    scheduleTone(this.#context, side, Number(this.#slider.value));
  }

  #render() {
    const state = this.#state;
    setData(this.#button, "state", state);
    this.#button.ariaPressed = String(state === "on");
    setText(this.#button, { on: "Sound on", off: "Sound off", blocked: "Sound: click to allow" }[state]);
    this.#button.title = { on: "Mute (m)", off: "Play a tone for each fill (m)", blocked: "The browser blocks sound until the page is clicked" }[state];
    this.#slider.hidden = state !== "on";
  }
}

/** Play a tone: rising for a buy, falling for a sell. @param {BaseAudioContext} context @param {"buy" | "sell"} side @param {number} volume from 0 to 1 */
export function scheduleTone(context, side, volume) {
  const at = context.currentTime;
  const [from, to] = PITCH[side];
  const tone = new OscillatorNode(context, { type: "triangle", frequency: from });
  const gain = new GainNode(context, { gain: 0 });
  tone.frequency.setValueAtTime(to, at + TONE_S / 3);
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(MAX_GAIN * volume, at + 0.01);
  gain.gain.linearRampToValueAtTime(0, at + TONE_S);
  tone.connect(gain).connect(context.destination);
  tone.start(at);
  tone.stop(at + TONE_S);
}
