"""Start of an actor: what it depends on, and where it continues after the claim of its journal."""

from typing import NamedTuple

from bus import Bus, Logger, StepGate
from engine.actor.candles import Candles, CandlesOf
from engine.actor.lost_records import find_loss, is_added_again
from engine.actor.market import SymbolMarket
from engine.actor.publisher import Publisher
from engine.actor.shutdown import IsLast
from engine.core.grid import Grid
from engine.core.startup.adoption import earlier_generations
from engine.core.upgrade import upgraded
from engine.journaled_actor import ClaimedJournal, claim_journal
from engine.metrics import EngineMetrics
from engine.quarantine import JOURNAL_LOST, InputRef
from schemas import subjects
from schemas.engine.journal import ResyncRequired, Step, SymbolEntry
from schemas.grid.state import EarlierGenerations
from schemas.subjects import Stream
from schemas.venue.instruments import Instrument

INPUTS = (Stream.ORDERS, Stream.CONTROL)
"""Durable input streams."""
OUTPUTS = ("causes", "boundaries", "inputs", "decisions", "fills", "notices")
"""Fields of a step that a claim leaves empty."""


class ActorGates(NamedTuple):
    """Where an actor reports its progress in lock-step: one gate for each kind of input."""

    orders: StepGate
    ticker: StepGate


class ActorContext(NamedTuple):
    """Dependencies of an actor, beside its journal."""

    bus: Bus
    entry: SymbolEntry
    instrument: Instrument
    gates: ActorGates
    market: SymbolMarket
    candles: CandlesOf
    metrics: EngineMetrics
    is_last: IsLast
    """Returns, at shutdown, whether no other engine will take over the symbol."""
    skipped: frozenset[InputRef]
    """Poison inputs that a reset excluded."""
    log: Logger
    remembered: bytes = b""
    """The last record of the symbol's journal that this process committed; empty without one."""
    engine: str = ""
    """The name of the engine process."""


class StartedFrom(NamedTuple):
    """Where a new actor continues."""

    claimed: ClaimedJournal[Step]
    grid: Grid
    """The grid of the last step; an empty one if the symbol is new or was added again."""
    publisher: Publisher
    """It has published again what was not confirmed."""
    candles: Candles
    """Loaded up to the present."""
    loss: ResyncRequired | None
    """Records that were lost; None if none were."""
    earlier: EarlierGenerations | None
    """The result of the earlier generations, if the symbol was added again."""


async def prepare(context: ActorContext) -> StartedFrom:
    """Claim the symbol's journal, look for lost records, and republish unconfirmed steps.

    Raises: Fenced when another actor took over; Ambiguous, NoSpace or StreamGone when the claim failed; JournalLost.
    """
    bus, entry = context.bus, context.entry
    subject = subjects.step(entry.venue, entry.symbol)
    claimed = await claim_journal(
        bus,
        subject,
        Step,
        inputs=INPUTS,
        outputs=OUTPUTS,
        log=context.log,
        prepare=upgraded,
        remembered=context.remembered,
    )
    loss = await find_loss(bus, entry, claimed, may_start_empty=JOURNAL_LOST in context.skipped)
    grid, earlier = _grid(context, claimed.last)
    publisher = await _republished(context, claimed)
    settings = entry.settings if grid.state is None else grid.state.settings
    candles = context.candles(bus, entry.venue, entry.symbol, settings)
    await candles.load()
    return StartedFrom(claimed, grid, publisher, candles, loss, earlier)


def _grid(context: ActorContext, last: Step | None) -> tuple[Grid, EarlierGenerations | None]:
    if last is None:
        return Grid(None, 0), None
    if is_added_again(last.state, context.entry):
        return Grid(None, last.step), earlier_generations(last.state)
    if context.market.silence is not None:
        context.market.silence.on_tick(last.state.price_time)
    return Grid(last.state, last.step), None


async def _republished(context: ActorContext, claimed: ClaimedJournal[Step]) -> Publisher:
    entry = context.entry
    step, view = subjects.step(entry.venue, entry.symbol), subjects.grid(entry.venue, entry.symbol)
    publisher = Publisher(context.bus, step, view, context.log, claimed.published_through)
    await publisher.republish(claimed.last_sequence)
    return publisher
