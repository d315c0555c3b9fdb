"""Before the first order of a symbol: the preflight is passed, the trigger price was seen, what is held is taken over.

Each of them once: what is passed stays passed over restarts. When both are, the startup ends with the adoption of the
position, and nothing of it is asked again until the symbol is added anew.
"""

from decimal import Decimal

from engine.core.orders.price_lattice import Lattice
from engine.core.startup.adoption import adopt
from engine.core.startup.preflight import Account, Case, checks, is_enough, leverage_of, refusal
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.settings import GridSettings
from schemas.grid.state import GridState, Startup
from schemas.grid.view import NotQuoting
from schemas.units import Money, Price
from schemas.venue.account import Balance, Position
from schemas.venue.market import FeedChanged, FeedState

PREFLIGHT = "preflight"
TRIGGER = "trigger_price"
LITTLE = Decimal("0.01")
"""A balance that differs by a smaller share, and not in what it is enough for, is the one known."""


def startup_of(settings: GridSettings) -> Startup | None:
    """Return what a new grid begins with: None when nothing is waited for."""
    if not settings.preflight and settings.trigger_price is None:
        return None
    return Startup(is_passed=not settings.preflight, is_triggered=settings.trigger_price is None)


def stopped_by(state: GridState) -> NotQuoting | None:
    """Return what the first order waits for."""
    if state.startup is None:
        return None
    return NotQuoting.AWAITING_TRIGGER if state.startup.is_passed else NotQuoting.PREFLIGHT


def detail(state: GridState) -> str:
    """Return what there is to say beside the reason."""
    match stopped_by(state):
        case None:
            return ""
        case NotQuoting.PREFLIGHT:
            assert state.startup is not None
            return state.startup.refusal
        case _:
            return _awaited(state)


def on_account_feed(draft: Draft, event: FeedChanged) -> bool:
    """Take word of the account's private stream, and tell whether it is waited for and new."""
    startup, is_up = draft.state.startup, event.state is FeedState.UP
    if startup is None or startup.is_stream_up is is_up:
        return False
    startup.is_stream_up = is_up
    return True


def on_balance(draft: Draft, balance: Balance) -> bool:
    """Take the balance of the currency that the symbol settles in, and tell whether it is waited for and new."""
    startup = draft.state.startup
    if startup is None or balance.asset != draft.state.instrument.settle:
        return False
    if not _matters(draft.state, startup, balance.margin_balance):
        return False
    startup.balance = balance.margin_balance
    return True


def on_position(draft: Draft, position: Position) -> bool:
    """Take what the account holds of the symbol, and tell whether it is waited for and new."""
    startup = draft.state.startup
    assert startup is not None
    told = (position.quantity, position.entry_price, position.leverage)
    if told == (startup.position, startup.entry_price, startup.leverage):
        return False
    startup.position, startup.entry_price, startup.leverage = told
    return True


def look(draft: Draft, lattice: Lattice, price: Price) -> bool:
    """Judge what is known by now, and tell whether that changed anything."""
    startup = draft.state.startup
    if startup is None:
        return False
    changed = _look_at_trigger(draft, startup, price)
    if not startup.is_passed:
        changed |= _look_at_account(draft, startup, lattice)
    if startup.is_passed and startup.is_triggered:
        adopt(draft, startup, lattice)
        draft.state.startup = None
        return True
    return changed


def _matters(state: GridState, startup: Startup, balance: Money) -> bool:
    # The balance of an account that trades other symbols changes all the time.
    before = startup.balance
    if before is None or abs(balance - before) > LITTLE * abs(before):
        return True
    leverage = leverage_of(state.instrument, startup.leverage) or Decimal(1)
    return is_enough(state.settings, balance, leverage) is not is_enough(state.settings, before, leverage)


def _look_at_trigger(draft: Draft, startup: Startup, price: Price) -> bool:
    trigger, first = draft.state.settings.trigger_price, draft.state.accounts.first_price
    if startup.is_triggered or trigger is None:
        return False
    if not (price <= trigger if first >= trigger else price >= trigger):
        return False
    startup.is_triggered = True
    draft.risk(
        Severity.LOW, TRIGGER, f"the price came to {trigger}: it was first seen at {first}", active=False
    )
    return True


def _look_at_account(draft: Draft, startup: Startup, lattice: Lattice) -> bool:
    state = draft.state
    leverage = leverage_of(state.instrument, startup.leverage)
    account = Account(startup.is_stream_up, startup.balance, leverage)
    found = checks(Case(state.settings, state.instrument, lattice, state.center, account))
    text = refusal(found)
    if not text:
        startup.is_passed, startup.refusal = True, ""
        draft.risk(Severity.LOW, PREFLIGHT, "; ".join(each.figures for each in found), active=False)
        if not startup.is_triggered:
            draft.risk(Severity.LOW, TRIGGER, _awaited(state), active=True)
        return True
    if text == startup.refusal:
        return False
    startup.refusal = text
    failed = [each.name for each in found if not each.passed]
    if failed == startup.failed:
        return True
    startup.failed = failed
    is_refused = any(each.passed is False for each in found)
    draft.risk(Severity.HIGH if is_refused else Severity.LOW, PREFLIGHT, text, active=True)
    return True


def _awaited(state: GridState) -> str:
    return f"waits for {state.settings.trigger_price}, first seen at {state.accounts.first_price}"
