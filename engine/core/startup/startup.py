"""Startup of a symbol, before its first order: preflight, trigger price, then position adoption.

Each is passed once and stays passed across restarts. When the preflight and the trigger are, the position is adopted and
the startup ends; it starts over only when the symbol is added again.
"""

from decimal import Decimal

from engine.core.decisions import figures
from engine.core.orders.price_lattice import Lattice
from engine.core.startup.adoption import adopt
from engine.core.startup.case import Account, Case
from engine.core.startup.preflight import checks, is_enough, leverage_of, refusal
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.engine.journal import OtherGrids
from schemas.grid.settings import GridSettings, PositionUnit
from schemas.grid.state import GridState, Startup
from schemas.grid.view import NotQuoting
from schemas.units import Money, Price
from schemas.venue.account import Balance, Position
from schemas.venue.market import FeedChanged, FeedState

PREFLIGHT = "preflight"
TRIGGER = "trigger_price"
MIN_BALANCE_CHANGE_RATIO = Decimal("0.01")
"""Exclusive: a smaller change of the balance is ignored, unless it changes whether the balance is enough."""


def startup_of(settings: GridSettings) -> Startup | None:
    """Return the startup of a new grid, None when the settings require neither preflight nor trigger."""
    if not settings.preflight and settings.trigger_price is None:
        return None
    return Startup(is_passed=not settings.preflight, is_triggered=settings.trigger_price is None)


def blocked_by(state: GridState) -> NotQuoting | None:
    """Return what the first order waits for, None after the startup."""
    if state.startup is None:
        return None
    return NotQuoting.AWAITING_TRIGGER if state.startup.is_passed else NotQuoting.PREFLIGHT


def detail(state: GridState) -> str:
    """Return the explanation behind `blocked_by`, for operators."""
    match blocked_by(state):
        case None:
            return ""
        case NotQuoting.PREFLIGHT:
            assert state.startup is not None
            return state.startup.refusal
        case _:
            return _awaited_trigger(state)


def on_account_feed(draft: Draft, event: FeedChanged) -> None:
    """Record whether the account's private stream is up, during startup."""
    startup, is_up = draft.state.startup, event.state is FeedState.UP
    if startup is None or startup.is_stream_up is is_up:
        return
    draft.touch()
    startup.is_stream_up = is_up


def on_balance(draft: Draft, balance: Balance) -> None:
    """Record the balance of the symbol's settlement currency, during startup and where `max_position` depends on it."""
    startup = draft.state.startup
    if balance.asset != draft.state.instrument.settle:
        return
    _note_for_limit(draft, balance.margin_balance)
    if startup is None:
        return
    if not _is_significant(draft.state, startup, balance.margin_balance):
        return
    draft.touch()
    startup.balance = balance.margin_balance


def on_position(draft: Draft, position: Position) -> None:
    """Record the position that the account holds, during startup."""
    startup = draft.state.startup
    assert startup is not None
    found = (position.quantity, position.entry_price, position.leverage)
    if found == (startup.position, startup.entry_price, startup.leverage):
        return
    draft.touch()
    startup.position, startup.entry_price, startup.leverage = found


def on_other_grids(draft: Draft, event: OtherGrids) -> None:
    """Record the other grids of the account, during startup."""
    startup = draft.state.startup
    if startup is not None and startup.others != event.grids:
        draft.touch()
        startup.others = event.grids


def advance(draft: Draft, startup: Startup, lattice: Lattice, price: Price) -> None:
    """Evaluate trigger and preflight; when both are passed, adopt the position and end the startup."""
    _evaluate_trigger(draft, startup, price)
    if not startup.is_passed:
        _evaluate_preflight(draft, startup, lattice)
    if startup.is_passed and startup.is_triggered:
        draft.touch()
        adopt(draft, startup, lattice)
        draft.state.startup = None


def _note_for_limit(draft: Draft, balance: Money) -> None:
    """Record the balance where `max_position` is a share of it."""
    state, limit = draft.state, draft.state.settings.max_position
    if limit is None or limit.unit is not PositionUnit.BALANCE:
        return
    if state.balance is None or abs(balance - state.balance) > MIN_BALANCE_CHANGE_RATIO * abs(state.balance):
        draft.touch()
        state.balance = balance


def _is_significant(state: GridState, startup: Startup, balance: Money) -> bool:
    # The balance of an account that trades other symbols changes all the time.
    before = startup.balance
    if before is None or abs(balance - before) > MIN_BALANCE_CHANGE_RATIO * abs(before):
        return True
    leverage = leverage_of(state.instrument, startup.leverage) or Decimal(1)
    return is_enough(state.settings, balance, leverage) is not is_enough(state.settings, before, leverage)


def _evaluate_trigger(draft: Draft, startup: Startup, price: Price) -> None:
    trigger, first = draft.state.settings.trigger_price, draft.state.accounts.first_price
    if startup.is_triggered or trigger is None:
        return
    if not (price <= trigger if first >= trigger else price >= trigger):
        return
    startup.is_triggered = True
    draft.risk(
        Severity.LOW,
        TRIGGER,
        f"the price reached {trigger}, starting from {first}",
        figures(price=price, trigger_price=trigger, first_price=first),
        active=False,
    )


def _evaluate_preflight(draft: Draft, startup: Startup, lattice: Lattice) -> None:
    state = draft.state
    leverage = leverage_of(state.instrument, startup.leverage)
    account = Account(
        startup.is_stream_up,
        startup.balance,
        leverage,
        startup.position,
        startup.newer_generation,
        startup.others,
    )
    found = checks(Case(state.settings, state.instrument, lattice, state.center, account))
    text = refusal(found)
    if not text:
        startup.is_passed, startup.refusal = True, ""
        draft.risk(
            Severity.LOW,
            PREFLIGHT,
            "; ".join(each.figures for each in found),
            {each.name: each.figures for each in found},
            active=False,
        )
        if not startup.is_triggered:
            awaited = figures(
                trigger_price=state.settings.trigger_price, first_price=state.accounts.first_price
            )
            draft.risk(Severity.LOW, TRIGGER, _awaited_trigger(state), awaited, active=True)
        return
    if text == startup.refusal:
        return
    draft.touch()
    startup.refusal = text
    failed = [each.name for each in found if not each.passed]
    if failed == startup.failed:
        return
    startup.failed = failed
    is_refused = any(each.passed is False for each in found)
    draft.risk(
        Severity.HIGH if is_refused else Severity.LOW,
        PREFLIGHT,
        text,
        {each.name: each.figures for each in found if not each.passed},
        active=True,
    )


def _awaited_trigger(state: GridState) -> str:
    return f"waiting for {state.settings.trigger_price}, starting from {state.accounts.first_price}"
