"""Apply a changed instrument: new trading rules, or another status of the market.

Levels keep their numbers, and their prices are rounded again; orders that are out stay. While the venue does not trade the
symbol, nothing is placed.
"""

from decimal import Decimal

import msgspec

from engine.core.settings_checks import check
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.state import GridState
from schemas.grid.view import NotQuoting
from schemas.venue.instruments import Instrument, InstrumentStatus

MARKET_STATUS = "market_status"
IDENTITY = ("venue", "symbol", "kind", "base", "quote", "settle")
"""Fields that tell one instrument from another: the accounts are in its currencies."""
_REASONS = {
    InstrumentStatus.TRADING: None,
    InstrumentStatus.HALTED: NotQuoting.MARKET_HALTED,
    InstrumentStatus.DELISTED: NotQuoting.DELISTED,
}
_SEVERITIES = {
    InstrumentStatus.TRADING: Severity.LOW,
    InstrumentStatus.HALTED: Severity.HIGH,
    InstrumentStatus.DELISTED: Severity.CRITICAL,
}


def blocked_by(state: GridState) -> NotQuoting | None:
    """Return why the venue takes no orders for the symbol, None while it trades."""
    return _REASONS[state.instrument.status]


def on_instrument(draft: Draft, instrument: Instrument) -> None:
    """Replace the instrument if it differs, and report what changed."""
    state, before = draft.state, draft.state.instrument
    changed = {name for name in Instrument.__struct_fields__ if _differs(name, before, instrument)}
    if not changed:
        return
    if foreign := sorted(changed & set(IDENTITY)):
        draft.alert(
            Severity.HIGH,
            "instrument_not_applied",
            f"the venue's {before.symbol} has another {', '.join(foreign)}: {_changes(before, instrument, foreign)}",
        )
        return
    draft.touch()
    state.instrument = instrument
    if rules := [name for name in Instrument.__struct_fields__ if name in changed - {"status"}]:
        _report_rules(draft, before, rules)
    if "status" in changed:
        status, was = instrument.status, before.status
        is_active = status is not InstrumentStatus.TRADING
        draft.risk(_SEVERITIES[status], MARKET_STATUS, f"{status}, was {was}", active=is_active)


def _report_rules(draft: Draft, before: Instrument, changed: list[str]) -> None:
    state = draft.state
    old = check(state.settings, before, draft.price)
    new = [each for each in check(state.settings, state.instrument, draft.price) if each not in old]
    text = "; ".join([_changes(before, state.instrument, changed), *new])
    draft.alert(Severity.HIGH if new else Severity.LOW, "instrument_changed", text)


def _changes(before: Instrument, after: Instrument, names: list[str]) -> str:
    return ", ".join(f"{name} {_text(before, name)} -> {_text(after, name)}" for name in names)


def _differs(name: str, before: Instrument, after: Instrument) -> bool:
    return bool(getattr(before, name) != getattr(after, name))


def _text(instrument: Instrument, name: str) -> str:
    value = getattr(instrument, name)
    if value is None:
        return "none"
    return (
        msgspec.json.encode(value).decode().strip('"')
        if isinstance(value, msgspec.Struct | tuple)
        else f"{value:f}"
        if isinstance(value, Decimal)
        else str(value)
    )
