// @ts-check
/** Wiring: messages go into the store, and what changed is drawn once a frame. */

import { renderBadge } from "./badge.js";
import { PriceChart, legendOf } from "./chart.js";
import { Control } from "./control.js";
import { byId, setText } from "./dom.js";
import { renderLog } from "./log.js";
import { renderPanels, titleOf } from "./panels.js";
import { Positions } from "./positions.js";
import { ReplayBar } from "./replay.js";
import { Session } from "./session.js";
import { LiveSocket } from "./socket.js";
import { Store } from "./store.js";
import { Choice } from "./symbols.js";
import { renderTables } from "./tables.js";

/** Ages and the tab's title go on while nothing comes, and in a hidden tab, where no frames are drawn. */
const TICK_MS = 500;

const store = new Store();
/** @type {number | null} */
let hovered = null;
let isDue = false;

const chart = new PriceChart(byId("chart"), (time) => {
  hovered = time;
  drawSoon();
});
const choice = new Choice(() => {
  chart.startAnew();
  store.clear();
  store.endReplay();
  positions.forget();
  socket.open();
  drawSoon();
});
const positions = new Positions();
const socket = new LiveSocket(address, (message) => {
  if (!positions.take(message)) return;
  store.apply(message, Date.now());
  // What is on the page is not the present: a new connection has to bring all of it.
  if (store.isReplaying) positions.forget();
  drawSoon();
}, connectionChanged);
const replay = new ReplayBar((request) => socket.send(request), topic);
const control = new Control(() => store.status && { symbol: store.status.market, venue: store.status.venue });
const session = new Session(() => {
  positions.forget();
  store.clear();
  socket.open();
}, (who) => control.offer(who));

byId("fit").addEventListener("click", () => chart.fit());
addEventListener("keydown", (event) => {
  if (event.key === "f" && !event.ctrlKey && !event.metaKey && !event.altKey) chart.fit();
});
setInterval(() => {
  renderBadge(store, socket.state, Date.now());
  document.title = titleOf(store, symbol());
}, TICK_MS);
void session.ask();
socket.open();

function address() {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  const resumed = positions.query();
  if (resumed) {
    url.search = String(resumed);
    return url.href;
  }
  for (const [name, value] of Object.entries(choice.wanted)) if (value) url.searchParams.set(name, value);
  return url.href;
}

function topic() {
  const { market: symbol = "", venue = "", interval = "" } = store.status ?? {};
  return { symbol, venue, interval };
}

function connectionChanged() {
  if (socket.state.phase === "lost") {
    store.endReplay();
    // A browser is not told why a socket was refused: the server is asked who it takes this for.
    void session.ask();
  }
  drawSoon();
}

function symbol() {
  return store.status?.symbol ?? choice.wanted.symbol;
}

function drawSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(draw);
}

function draw() {
  isDue = false;
  const changed = store.take();
  const now = Date.now();
  chart.render(store, changed);
  renderPanels(store, changed);
  renderTables(store, changed, now);
  renderLog(store, changed);
  replay.render(store, changed);
  choice.render(store, changed);
  renderBadge(store, socket.state, now);
  setText(byId("legend"), legendOf(store, hovered));
  document.title = titleOf(store, symbol());
}

/** For tests, and for the curious: a canvas cannot be read. */
Object.assign(window, { __opensqt: { store, socket, positions, inspect: () => chart.inspect() } });
