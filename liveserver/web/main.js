// @ts-check
/** Wiring: messages update the store; changed parts are rendered once per animation frame. */

import { fetchReasons } from "./api/reasons.js";
import { Session } from "./api/session.js";
import { Cursors, LiveSocket } from "./api/socket.js";
import { PriceChart, legendOf } from "./charts/chart.js";
import { byId, setText } from "./dom.js";
import { Store } from "./model/store.js";
import { renderConnectionBadge } from "./panels/connection_badge.js";
import { Control } from "./panels/control.js";
import { renderNoticesAndBanners } from "./panels/notices.js";
import { renderPanels, titleOf } from "./panels/panels.js";
import { ReplayBar } from "./panels/replay.js";
import { SymbolChoice } from "./panels/symbols.js";
import { renderTables } from "./panels/tables.js";

/** Interval to update ages and the tab's title, also without messages, and in hidden tabs, which draw no frames. */
const TICK_MS = 500;

const store = new Store();
/** The time of the candle under the pointer. @type {number | null} */
let hoveredTime = null;
let isRenderScheduled = false;

const chart = new PriceChart(byId("chart"), (time) => {
  hoveredTime = time;
  scheduleRender();
});
const choice = new SymbolChoice(() => {
  chart.reset();
  store.clear();
  store.endReplay();
  cursors.reset();
  socket.open();
  scheduleRender();
});
const cursors = new Cursors();
const socket = new LiveSocket(socketAddress, (message) => {
  if (!cursors.advance(message)) return;
  store.apply(message, Date.now());
  // A replay replaces the live data on the page, so a new connection must start with a snapshot.
  if (store.isReplaying) cursors.reset();
  scheduleRender();
}, connectionChanged);
const replay = new ReplayBar((request) => socket.send(request), replayTopic);
const control = new Control(
  () => store.status && { symbol: store.status.market, venue: store.status.venue },
  () => store.grid?.venue_position ?? null,
);
const session = new Session(() => {
  cursors.reset();
  store.clear();
  socket.open();
}, (info) => control.offer(info.commands));

byId("fit").addEventListener("click", () => chart.fit());
addEventListener("keydown", (event) => {
  if (event.key === "f" && !event.ctrlKey && !event.metaKey && !event.altKey) chart.fit();
});
setInterval(() => {
  renderConnectionBadge(store, socket.state, Date.now());
  document.title = titleOf(store, shownSymbol());
}, TICK_MS);
void session.refresh();
void loadReasons();
socket.open();

function socketAddress() {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  const resume = cursors.query();
  if (resume) {
    url.search = String(resume);
    return url.href;
  }
  for (const [name, value] of Object.entries(choice.requested)) if (value) url.searchParams.set(name, value);
  return url.href;
}

function replayTopic() {
  const { market: symbol = "", venue = "", interval = "" } = store.status ?? {};
  return { symbol, venue, interval };
}

function connectionChanged() {
  if (socket.state.phase === "lost") {
    store.endReplay();
    // Browsers hide why a handshake was rejected; the session shows whether a login is required.
    void session.refresh();
  }
  if (socket.state.phase === "open" && !store.reasons.size) void loadReasons();
  scheduleRender();
}

async function loadReasons() {
  const reasons = await fetchReasons();
  if (!reasons) return;
  store.setReasons(reasons);
  scheduleRender();
}

function shownSymbol() {
  return store.status?.symbol ?? choice.requested.symbol;
}

function scheduleRender() {
  if (isRenderScheduled) return;
  isRenderScheduled = true;
  requestAnimationFrame(render);
}

function render() {
  isRenderScheduled = false;
  const changed = store.takeChanges();
  const now = Date.now();
  chart.render(store, changed);
  renderPanels(store, changed);
  renderTables(store, changed, now);
  renderNoticesAndBanners(store, changed);
  replay.render(store, changed);
  choice.render(store, changed);
  renderConnectionBadge(store, socket.state, now);
  setText(byId("legend"), legendOf(store, hoveredTime));
  document.title = titleOf(store, shownSymbol());
}

/** For tests and debugging, because a canvas cannot be inspected. */
Object.assign(window, { __opensqt: { store, socket, cursors, inspect: () => chart.inspect() } });
