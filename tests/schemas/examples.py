"""One example of every type of event, for the codec and the golden files."""

from decimal import Decimal as D  # noqa: N817 - a hundred literals read better

import msgspec

from schemas.engine.events import (
    AlertRaised,
    DecisionMade,
    Reconciled,
    ReconciliationFinding,
    RiskChanged,
    Severity,
)
from schemas.engine.journal import (
    CommandReceived,
    EngineStarted,
    EngineStopping,
    ResyncRequired,
    StreamOffset,
    SymbolAdded,
    TimePassed,
)
from schemas.engine.portfolio import OrderLatency, PortfolioEntry
from schemas.engine.portfolio_journal import AddRequested, CommandForAll, PortfolioState, PortfolioStep
from schemas.units import Side
from schemas.venue.account import SweepRequest
from schemas.venue.market import ClockRead, FeedChanged, FeedState, PublicTrade
from schemas.venue.orders import CancelRejected, Funding, OrderIntent
from tests.builders import (
    BALANCE,
    BTC,
    CANCEL,
    CANDLE,
    COMMAND,
    ENTRY,
    FILL,
    ID,
    INSTRUMENT,
    LIMITS,
    OPEN_ORDERS,
    PLACE,
    PORTFOLIO,
    POSITION,
    QUERY,
    REPORT,
    RESULT,
    SETTINGS,
    SIM,
    STEP,
    TICKER,
    TIME,
    TRADE,
    VIEW,
)

EXAMPLES: tuple[msgspec.Struct, ...] = (
    TICKER,
    PublicTrade(
        venue=SIM, symbol=BTC, trade_id="1", side=Side.SELL, price=D(60000), quantity=D("0.5"), time=TIME
    ),
    CANDLE,
    FeedChanged(venue=SIM, symbol=BTC, state=FeedState.DOWN, reason="connection lost", time=TIME),
    ClockRead(venue=SIM, time=TIME, received_time=TIME + 5),
    OrderIntent(
        venue=SIM,
        symbol=BTC,
        epoch=2,
        step=3,
        step_sequence=44,
        decisions=(PLACE, CANCEL, QUERY),
        unresolved=(ID,),
        time=TIME,
    ),
    REPORT,
    CancelRejected(venue=SIM, symbol=BTC, client_order_id=ID, time=TIME, detail="not open"),
    TRADE,
    Funding(
        venue=SIM,
        symbol=BTC,
        funding_id="f1",
        amount=D("-0.02"),
        rate=D("0.0001"),
        position=D("0.0016"),
        time=TIME,
    ),
    BALANCE,
    POSITION,
    OPEN_ORDERS,
    STEP,
    VIEW,
    DecisionMade(venue=SIM, symbol=BTC, step=3, index=0, decision=PLACE, time=TIME),
    FILL,
    RiskChanged(
        venue=SIM,
        symbol=BTC,
        severity=Severity.HIGH,
        reason="margin_locked",
        details="insufficient margin",
        active=True,
        step=3,
        time=TIME,
    ),
    Reconciled(
        venue=SIM,
        symbol=BTC,
        finding=ReconciliationFinding.MISSING_THERE,
        client_order_id=ID,
        action="asked the venue",
        step=3,
        time=TIME,
    ),
    AlertRaised(
        venue=SIM, symbol=BTC, severity=Severity.MEDIUM, code="late_trade", detail="9001", step=3, time=TIME
    ),
    COMMAND,
    RESULT,
    INSTRUMENT,
    ENTRY,
    SymbolAdded(
        venue=SIM,
        symbol=BTC,
        instance="sqt",
        generation=1,
        settings=SETTINGS,
        instrument=INSTRUMENT,
        time=TIME,
    ),
    TimePassed(time=TIME),
    CommandReceived(command=COMMAND, received_time=TIME + 1),
    PortfolioEntry(venue=SIM, settings=PORTFOLIO),
    LIMITS,
    OrderLatency(venue=SIM, p50=4_000_000, p99=31_000_000, count=100, time=TIME),
    CommandForAll(command=COMMAND, received_time=TIME + 1, symbols=(BTC,)),
    AddRequested(
        command=COMMAND,
        received_time=TIME + 1,
        instance="sqt",
        instrument=INSTRUMENT,
        is_running=False,
        symbols=(BTC,),
        last_generation=1,
    ),
    PortfolioStep(
        venue=SIM,
        step=3,
        epoch=2,
        offsets={"ENGINE": StreamOffset(created="2026-01-01T00:00:00Z", sequence=9)},
        causes=(CommandForAll(command=COMMAND, received_time=TIME + 1, symbols=(BTC,)),),
        state=PortfolioState(venue=SIM, settings=PORTFOLIO),
        notices=(RESULT,),
        commands=(COMMAND,),
        entries=(),
        published_through=7,
        time=TIME,
    ),
    EngineStarted(time=TIME),
    EngineStopping(time=TIME),
    ResyncRequired(
        request_id="resync-7",
        reason="ORDERS was purged",
        raises_generation=True,
        generation=3,
        time=TIME,
    ),
    SweepRequest(venue=SIM, symbol=BTC, request_id="resync-7", trades_since=TIME - 1),
)
