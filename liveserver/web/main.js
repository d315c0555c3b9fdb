// @ts-check
/** Wiring: messages update the store; changed parts are rendered once per animation frame. */

import { fetchReasons } from "./api/reasons.js";
import { Session } from "./api/session.js";
import { Cursors, LiveSocket } from "./api/socket.js";
import { PriceChart, legendOf } from "./charts/chart.js";
import { byId, isForTyping, setText } from "./dom.js";
import { livenessOf } from "./model/liveness.js";
import { Store } from "./model/store.js";
import { renderBanners } from "./panels/banners.js";
import { renderConnectionBadge } from "./panels/connection_badge.js";
import { Control } from "./panels/control.js";
import { FLASH_MS, flash } from "./panels/flash.js";
import { renderNotices } from "./panels/notices.js";
import { renderPanels, titleOf } from "./panels/panels.js";
import { ReplayBar } from "./panels/replay.js";
import { FillSound } from "./panels/sound.js";
import { SymbolChoice } from "./panels/symbols.js";
import { renderTables } from "./panels/tables.js";

/** @import { NewFill } from "./model/store.js" */

/** Interval to notice silence, and to update ages and the tab's title, also in hidden tabs, which draw no frames. */
const TICK_MS = 500;

/** New fills that are highlighted at once: hidden tabs draw no frames, so they would pile up. */
const MAX_HIGHLIGHTS = 20;

const store = new Store();
/** The time of the candle under the pointer. @type {number | null} */
let hoveredTime = null;
let isRenderScheduled = false;
/** New fills, highlighted since the time `shownAt`; 0 if they are yet to be. @type {(NewFill & { shownAt: number })[]} */
let newFills = [];
/** What panels show of the liveness, to notice a change. */
let shownLiveness = "";

const chart = new PriceChart(byId("chart"), (time) => {
  hoveredTime = time;
  scheduleRender();
});
const choice = new SymbolChoice(() => {
  control.leaveMarket();
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
  const fills = store.takeNewFills();
  if (fills.length) sound.play(fills);
  newFills = [...newFills, ...fills.map((fill) => ({ ...fill, shownAt: 0 }))].slice(-MAX_HIGHLIGHTS);
  // A replay replaces the live data on the page, so a new connection must start with a snapshot.
  if (store.isReplaying) cursors.reset();
  scheduleRender();
}, connectionChanged);
const replay = new ReplayBar((request) => socket.send(request), replayTopic);
const control = new Control();
const sound = new FillSound();
const session = new Session(() => {
  cursors.reset();
  store.clear();
  socket.open();
}, (info) => control.offer(info.commands));

byId("fit").addEventListener("click", () => chart.fit());
addEventListener("keydown", (event) => {
  if (event.key === "f" && !isForTyping(event)) chart.fit();
});
setInterval(() => {
  const now = Date.now();
  socket.tick(now);
  const liveness = renderLiveness(now);
  choice.tick(store, liveness.problem === "", now);
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
  const now = Date.now();
  const liveness = renderLiveness(now);
  const changed = store.takeChanges();
  chart.render(store, changed);
  renderPanels(store, changed, liveness);
  renderTables(store, changed, now);
  renderNotices(store, changed);
  renderBanners(store, changed, liveness, choice.notice);
  replay.render(store, changed);
  choice.render(store, changed);
  control.update(store, liveness);
  newFills = newFills.filter(({ shownAt }) => !shownAt || now - shownAt < FLASH_MS);
  for (const fill of newFills) highlight(fill, now);
  setText(byId("legend"), legendOf(store, hoveredTime));
  document.title = titleOf(store, shownSymbol());
}

/** @param {number} now milliseconds since the epoch */
function renderLiveness(now) {
  const liveness = livenessOf(store, socket.state, now);
  renderConnectionBadge(store, socket.state, liveness);
  const shown = [liveness.problem, liveness.lock, liveness.stale, choice.notice].join("\n");
  if (shown !== shownLiveness) {
    shownLiveness = shown;
    store.markLivenessChanged();
    control.update(store, liveness);
    scheduleRender();
  }
  return liveness;
}

/** @param {NewFill & { shownAt: number }} fill @param {number} now milliseconds since the epoch */
function highlight(fill, now) {
  const { symbol, side, trade } = fill;
  const row = trade && byId("fills").querySelector(`[data-key="${CSS.escape(trade.trade_id)}"]`);
  if (trade && !fill.shownAt) chart.flash(side, Number(trade.price));
  fill.shownAt ||= now;
  flash(trade ? row : choice.linkOf(symbol), side, now - fill.shownAt);
}

/** For tests and debugging, because a canvas cannot be inspected. */
Object.assign(window, { __opensqt: { store, socket, session, cursors, sound, inspect: () => chart.inspect() } });
