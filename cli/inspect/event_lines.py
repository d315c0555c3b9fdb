"""Format bus events as one readable line each."""

from datetime import UTC, datetime
from typing import assert_never

from cli.console import colour
from cli.inspect.limits import configured_limits, limits_in_force
from cli.inspect.market_lines import because, market_text
from cli.inspect.notice_lines import notice_text, quoting_text
from schemas.codec import Event, FormatTooNew, UndecodableError, decode
from schemas.engine.control import Command, CommandResult
from schemas.engine.events import (
    AlertRaised,
    DecisionMade,
    EngineHeartbeat,
    Fill,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    RiskChanged,
)
from schemas.engine.journal import (
    CommandReceived,
    EngineStarted,
    EngineStopping,
    LedgerGap,
    OtherGrids,
    ResyncRequired,
    Step,
    SymbolAdded,
    SymbolEntry,
    TimePassed,
)
from schemas.engine.portfolio import OrderLatency, PortfolioEntry, PortfolioLimits
from schemas.engine.portfolio_journal import AddRequested, CommandForAll, PortfolioStep
from schemas.grid.view import GridView
from schemas.parts import PartHeartbeat
from schemas.reasons.table import explain
from schemas.units import MILLISECOND_NS, Figures, Side
from schemas.venue.account import Balance, OpenOrders, Position, SweepRequest
from schemas.venue.decision_reasons import words
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, ClockRead, FeedChanged, PublicTrade, Ticker
from schemas.venue.orders import (
    CancelOrder,
    CancelRejected,
    Decision,
    Funding,
    OrderIntent,
    OrderReport,
    PlaceOrder,
    QueryOrder,
    Trade,
)
from schemas.venue.requests import OrderRequest

DIM, RED, GREEN, YELLOW, BOLD = "2", "31", "32", "33", "1"
MAX_RAW_CHARS = 200
_HIGHLIGHTED = (
    RiskChanged,
    QuotingChanged,
    AlertRaised,
    CancelRejected,
    FeedChanged,
    Reconciled,
    PositionCorrected,
)


def event_line(subject: str, data: bytes, time_ns: int, *, is_coloured: bool, is_dated: bool = False) -> str:
    """Return time, subject and event summary; data that is not an event, or of an unknown type, is shown unchanged.

    `12:00:00.500 engine.sim.BTC-USDT_USDT.fill             buy  1 at 100, level -1, position 1`
    """
    form = "%Y-%m-%d %H:%M:%S.%f" if is_dated else "%H:%M:%S.%f"
    clock = datetime.fromtimestamp(time_ns / 1e9, UTC).strftime(form)[:-3]
    head = f"{colour(clock, DIM, is_enabled=is_coloured)} {colour(f'{subject:<40}', BOLD, is_enabled=is_coloured)}"
    try:
        event = decode(data)
    except FormatTooNew as error:
        return f"{head} {colour(str(error), YELLOW, is_enabled=is_coloured)}"
    except UndecodableError:
        return f"{head} {_raw(data)}"
    tint = _tint(event)
    return f"{head} {colour(summary(event), tint, is_enabled=is_coloured and bool(tint))}"


def summary(event: Event) -> str:
    """Return the main fields of an event as text."""
    match event:
        case Ticker() | PublicTrade() | Candle() | FeedChanged() | ClockRead():
            text = market_text(event)
        case OrderIntent() | OrderReport() | CancelRejected() | Trade() | Funding() | OrderRequest():
            text = _order(event)
        case Balance() | Position() | OpenOrders() | SweepRequest():
            text = _account(event)
        case Step() | GridView():
            text = _journal(event)
        case (
            SymbolAdded()
            | TimePassed()
            | CommandReceived()
            | EngineStarted()
            | EngineStopping()
            | ResyncRequired()
            | LedgerGap()
            | OtherGrids()
        ):
            text = _cause(event)
        case (
            DecisionMade()
            | QuotingChanged()
            | Fill()
            | RiskChanged()
            | Reconciled()
            | PositionCorrected()
            | AlertRaised()
            | EngineHeartbeat()
            | PartHeartbeat()
        ):
            text = _engine(event)
        case Command():
            text = f"{event.name}{_changes(event)} by {event.operator}{because(event.reason)}"
        case CommandResult():
            text = f"{event.name} {event.outcome}{because(event.detail)}"
        case Instrument() | SymbolEntry():
            text = _registered(event)
        case _:
            text = _portfolio(event)
    return text


def _portfolio(
    event: PortfolioEntry | PortfolioLimits | OrderLatency | PortfolioStep | CommandForAll | AddRequested,
) -> str:
    match event:
        case PortfolioEntry():
            return configured_limits(event.settings)
        case PortfolioLimits():
            return limits_in_force(event)
        case OrderLatency():
            p50, p99 = event.p50 / MILLISECOND_NS, event.p99 / MILLISECOND_NS
            return f"order latency: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {event.count} orders"
        case PortfolioStep():
            return f"step {event.step}, epoch {event.epoch}: {len(event.commands)} commands forwarded"
        case CommandForAll() | AddRequested():
            return summary(event.command)
        case _:
            assert_never(event)


def _order(event: OrderIntent | OrderReport | CancelRejected | Trade | Funding | OrderRequest) -> str:
    match event:
        case OrderIntent():
            return f"step {event.step}: {_counts(event.decisions)}"
        case OrderReport():
            reason = _rejection(event)
            total = f"/{event.quantity}" if event.quantity is not None else ""
            return (
                f"{event.status} {event.client_order_id} {event.cumulative_quantity}{total}{because(reason)}"
            )
        case CancelRejected():
            return f"cancel rejected {event.client_order_id}{because(event.detail)}"
        case Trade():
            trade = f"{event.side} {event.quantity} at {event.price}, fee {event.fee} {event.fee_asset}"
            return f"{trade}  {event.client_order_id or 'foreign order'}"
        case Funding():
            return f"funding {event.amount} at {event.rate}"
        case OrderRequest():
            attempt = f" (attempt {event.attempt})" if event.attempt > 1 else ""
            reason = _rejection(event)
            return f"{event.action} {event.client_order_id}: {event.outcome}{attempt}{because(reason)}"
        case _:
            assert_never(event)


def _rejection(event: OrderReport | OrderRequest) -> str:
    if event.reject_reason is None:
        return event.detail
    return explain(event.reject_reason, event.detail).sentence


def _account(event: Balance | Position | OpenOrders | SweepRequest) -> str:
    match event:
        case Balance():
            return f"{event.asset} {event.total}, free {event.free}"
        case Position():
            return f"{event.quantity} from {event.entry_price}, unrealized {event.unrealized_pnl}"
        case OpenOrders():
            return f"{len(event.orders)} open orders"
        case SweepRequest():
            return f"sweep {event.request_id} of {event.symbol} requested"
        case _:
            assert_never(event)


def _journal(event: Step | GridView) -> str:
    match event:
        case Step():
            causes = ", ".join(sorted({type(cause).__name__ for cause in event.causes})) or "claim"
            return f"step {event.step} ({causes}): {_counts(event.decisions)}, {len(event.fills)} fills"
        case GridView():
            quoting = "" if event.not_quoting is None else f", not quoting: {event.not_quoting}"
            return (
                f"step {event.step} at {event.price}: position {event.position}, grid {event.grid_profit:.4f}, "
                f"total {event.total_profit:.4f}{quoting}"
            )
        case _:
            assert_never(event)


def _registered(event: Instrument | SymbolEntry) -> str:
    if isinstance(event, Instrument):
        return f"{event.kind} tick {event.tick_size} lot {event.lot_size}"
    return f"{event.settings.mode} {event.settings.order_amount} per level, instance {event.instance}"


def _cause(
    event: SymbolAdded
    | TimePassed
    | CommandReceived
    | EngineStarted
    | EngineStopping
    | ResyncRequired
    | LedgerGap
    | OtherGrids,
) -> str:
    match event:
        case SymbolAdded():
            return f"{event.symbol} added, generation {event.generation}"
        case TimePassed():
            return "time passed"
        case CommandReceived():
            return summary(event.command)
        case EngineStarted() | EngineStopping():
            return "engine starting" if isinstance(event, EngineStarted) else "engine stopping"
        case ResyncRequired() | LedgerGap():
            return _loss(event)
        case OtherGrids():
            return f"other grids of the account: {', '.join(each.symbol for each in event.grids) or 'none'}"
        case _:
            assert_never(event)


def _loss(event: ResyncRequired | LedgerGap) -> str:
    if isinstance(event, ResyncRequired):
        return f"resync required: {event.reason}"
    since = datetime.fromtimestamp(event.complete_from / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{event.lost_fills} fills lost, complete from {since}"


def _engine(
    event: DecisionMade
    | Fill
    | QuotingChanged
    | RiskChanged
    | Reconciled
    | PositionCorrected
    | AlertRaised
    | EngineHeartbeat
    | PartHeartbeat,
) -> str:
    match event:
        case DecisionMade():
            return f"{_decision(event.decision)}  (step {event.step})"
        case Fill():
            profit = "" if event.opens else f", profit {event.grid_profit:+.4f}"
            return (
                f"{event.side:<4} {event.quantity} at {event.price}, level {event.level}{profit}, "
                f"position {event.position}"
            )
        case QuotingChanged():
            return quoting_text(event)
        case _:
            return notice_text(event)


def _decision(decision: Decision) -> str:
    match decision:
        case PlaceOrder():
            verb = "close" if decision.reduce_only else "place"
            order = (
                f"{verb} {decision.side:<4} {decision.quantity} at {decision.price}, level {decision.level}"
            )
            return f"{order}{_reason(decision, '')}"
        case CancelOrder():
            return f"cancel {decision.client_order_id}{_reason(decision, decision.reason)}"
        case QueryOrder():
            return f"query {decision.client_order_id}{_reason(decision, decision.reason)}"
        case _:
            assert_never(decision)


def _reason(decision: Decision, sentence: str) -> str:
    """Return the reason in words with its figures; the sentence alone in a decision of version 1."""
    text = sentence if decision.reason_code is None else words(decision.reason_code)
    return f"{because(text)}{_figures(decision.figures)}"


def _figures(figures: Figures) -> str:
    named = ", ".join(f"{name} {value}" for name, value in figures.items())
    return f" ({named})" if named else ""


def _counts(decisions: tuple[Decision, ...]) -> str:
    places = sum(isinstance(decision, PlaceOrder) for decision in decisions)
    cancels = sum(isinstance(decision, CancelOrder) for decision in decisions)
    queries = len(decisions) - places - cancels
    named = ((places, "to place"), (cancels, "to cancel"), (queries, "to query"))
    return ", ".join(f"{count} {name}" for count, name in named if count) or "no decisions"


def _changes(command: Command) -> str:
    accepted = "" if command.accept is None else f" accept={command.accept}"
    return accepted + "".join(f" {name}={value}" for name, value in command.changes.items())


def _tint(event: Event) -> str:
    if isinstance(event, _HIGHLIGHTED):
        return YELLOW
    if isinstance(event, Fill | Trade):
        return GREEN if event.side is Side.BUY else RED
    if isinstance(event, GridView | Step | ClockRead):
        return DIM
    return ""


def _raw(data: bytes) -> str:
    text = data.decode("utf-8", "backslashreplace")
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown if len(shown) <= MAX_RAW_CHARS else f"{shown[:MAX_RAW_CHARS]}... ({len(data)} bytes)"
