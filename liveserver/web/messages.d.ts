/** Messages of the live protocol: see liveserver/protocol/server_messages.py. Decimals are strings, `time` is in seconds. */

export interface OfMarket { symbol: string; venue: string; market: string }

export interface Candle {
  time: number; open: string; high: string; low: string; close: string; volume: string; forming?: boolean
}

export interface Account extends OfMarket {
  asset: string; free: string; balance: string; marginBalance: string; equity: string; unrealizedPnL: string
  total_equity?: string | null; equity_asset?: string; unpriced?: string[]
}

export interface Order extends OfMarket {
  id: string; price: string; side: "BUY" | "SELL"; status: string; quantity: string; filled: string
  reduce_only: boolean; time: number; detail: string
}

/** A report on an order from the venue; null fields are unchanged. */
export interface OrderReport extends OfMarket {
  id: string; price: string | null; side: "BUY" | "SELL" | null; status: string; quantity: string | null; filled: string
  time: number; detail: string; reduce_only?: boolean
}

export interface Trade extends OfMarket {
  side: "buy" | "sell"; price: string; amount: string; time: number; time_ms: number; trade_id: string
  order_id: string; fee: string; fee_asset: string; is_maker: boolean
  opens: boolean | null; level: number | null; grid_profit: string | null
  fee_value: string | null; is_fee_estimated: boolean | null
}

export interface Position extends OfMarket {
  amount: string; entryPrice: string | null; unrealizedPnL: string | null; leverage: string; side: "LONG" | "SHORT" | "FLAT"
  markPrice: string; liquidationPrice: string | null
}

export interface Slot {
  slot_id: number; price: string; side: "BUY" | "SELL" | null; status: "EMPTY" | "OPEN" | "FILLED"
  held: string; order_id: string | null; order_price: string | null
}

/** Rounded amounts, which add up. */
export interface ShownProfit { total: string; grid_profit: string; unpaired: string; open_fees: string; funding: string }

export interface Grid extends OfMarket {
  anchor_price: string | null; price_interval: string | null; slots: Slot[]; step: number; mode: string
  center: number; price: string | null; paused: boolean; not_quoting: string | null; position: string
  cash: string; fees: string; funding: string; grid_profit: string; unpaired_profit: string; total_profit: string
  buy_and_hold: string; closed_trades: number; closed_pairs: number; dust: string; opened_trades: number; volume: string; first_time: number; time: number
  fees_other: Record<string, string>
  venue_position: string | null; foreign_position: string; ledger_from: number
  not_quoting_text?: string; not_quoting_remedy?: string; halted_by?: string; entry_price?: string | null
  shown?: ShownProfit | null
}

export type Severity = "LOW" | "MEDIUM" | "HIGH" | "CRITICAL"

/** Figures by name, as decimals. */
export type Figures = Record<string, string>

export interface RiskAlert extends OfMarket {
  severity: Severity; reason: string; message: string; details: Figures; active: boolean; time: number; incident: string; text: string; remedy: string
}

export interface RiskStatus extends OfMarket {
  status: string; active: { severity: Severity; reason: string; message: string; details: Figures; time: number; text: string; remedy: string }[]
}

export interface Quoting extends OfMarket {
  previous: string | null; reason: string | null; text: string; detail: string; time: number
}

export interface Reconciliation extends OfMarket {
  finding: string; order_id: string; action: string; time: number; text: string; remedy: string
}

export interface Correction extends OfMarket {
  amount: string; price: string; fee: string; grid_profit: string; position: string; reason: string; operator: string
  trade_ids: string[]; time: number; time_ms: number; step: number
}

export interface Control extends OfMarket {
  command: string; command_id: string; outcome: string; detail: string; operator: string; reason: string; time: number
}

export interface Status extends OfMarket {
  feed: "up" | "down" | "gapped" | "unknown"; feed_reason: string; interval: string; intervals: string[]; problem: string
  blocked?: string | null; blocked_text?: string; blocked_remedy?: string; recording?: string; recording_speed?: number | null
}

export interface Ticker extends OfMarket {
  bid: string; ask: string; last: string; time: number; time_ms: number; age_ms?: number
}

export interface SymbolEntry extends OfMarket {
  price: string | null; is_traded: boolean; total_profit: string | null; not_quoting: string | null; feed: string
  fees_other: Record<string, string>; quote?: string; last_trade_ms?: number; last_trade_side?: "buy" | "sell" | ""
}

/** A part of the stack, as the live server sees it. */
export interface PartState {
  kind: string; name: string; state: "ok" | "degraded" | "silent" | "missing" | "unreachable"; age_ms: number | null
  venues: string[]; detail: string; remedy: string; is_replaced?: boolean
}

export interface Server {
  replica: string; status: "waiting" | "live" | "cut"; time_ms: number; uptime: number; clients: number
  parts?: PartState[]; bus?: string; redacted?: boolean
}

export interface ErrorMessage { error: string; known: string[] }

export interface StreamCursor { created: string; sequence: number }

/** Cursors by stream name, such as ORDERS. */
export type Streams = Record<string, StreamCursor>

export interface Snapshot { reason: string; streams: Streams; markets: { venue: string; symbol: string; interval: string }[] }

export interface Replay {
  state: "playing" | "paused" | "ended" | "stopped" | "refused"; detail?: string; start: number; end: number; at: number
  speed?: number | "max"; kept_from?: number; grids_from?: number
}

/** Optional fields of every message: its event (`ORDERS:1042`), and in a replay the time it was stored, in milliseconds. */
interface Envelope { seq?: string; replayed?: number }

export type Message = Envelope & (
  | { type: "history"; data: Candle[] }
  | { type: "kline"; data: Candle }
  | { type: "account"; data: Account }
  | { type: "orders"; data: OrderReport | Order[] }
  | { type: "trade_event"; data: Trade }
  | { type: "fill"; data: Trade }
  | { type: "trade_history"; data: Trade[] }
  | { type: "position"; data: Position }
  | { type: "grid_state"; data: Grid }
  | { type: "risk_alert"; data: RiskAlert }
  | { type: "risk_status"; data: RiskStatus }
  | { type: "quoting"; data: Quoting }
  | { type: "reconciliation"; data: Reconciliation }
  | { type: "position_corrected"; data: Correction }
  | { type: "control"; data: Control }
  | { type: "status"; data: Status }
  | { type: "ticker"; data: Ticker }
  | { type: "symbols"; data: SymbolEntry[] }
  | { type: "server"; data: Server }
  | { type: "error"; data: ErrorMessage }
  | { type: "snapshot"; data: Snapshot }
  | { type: "resumed"; data: { streams: Streams } }
  | { type: "streams"; data: { streams: Streams } }
  | { type: "replay"; data: Replay }
)

interface Topic { symbol: string; venue: string; interval: string }

/** Messages from the page to the server. */
export type Request =
  | { type: "replay"; data: { topics: Topic[]; from: string; to: string; speed: number | "max" } }
  | { type: "pause" }
  | { type: "play"; data: { speed: number | "max" } }
  | { type: "seek"; data: { to: number } }
  | { type: "stop" }

/** An entry of the notices panel. */
export type Notice =
  | { type: "risk_alert"; data: RiskAlert }
  | { type: "quoting"; data: Quoting }
  | { type: "reconciliation"; data: Reconciliation }
  | { type: "position_corrected"; data: Correction }
  | { type: "control"; data: Control }
