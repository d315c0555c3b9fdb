"""`trip _all _all`: open the global circuit breaker, and answer once the symbols have no opening order.

The symbols obey the published limits and cancel their opening orders themselves. What is left of them is known from their
grids (`SymbolSeen`). Time-outs are as in `engine.core.commands.pending`.
"""

from engine.core.commands.answers import operator_of
from engine.core.commands.pending import TIMEOUT_NS
from engine.core.portfolio import global_breaker
from engine.core.portfolio.step import PortfolioDraft
from engine.core.step import OrderCounts
from schemas.engine.control import Command, CommandOutcome
from schemas.engine.portfolio_journal import CommandForAll, PendingTrip, SymbolSeen
from schemas.grid.view import NotQuoting

TRIPPED = "the global circuit breaker is open"
MAY_OPEN = frozenset(
    {
        None,
        NotQuoting.QUOTA,
        NotQuoting.AWAITING_VENUE,
        NotQuoting.COOL_DOWN,
        NotQuoting.WOULD_CROSS,
        NotQuoting.WINDOW_FULL,
        NotQuoting.OUT_OF_BOUNDS,
        NotQuoting.OUTSIDE_PRICE_BAND,
        NotQuoting.BREAKER_HALF_OPEN,
        NotQuoting.BELOW_MINIMUM,
        NotQuoting.ABOVE_MAXIMUM,
    }
)
"""Reasons of a symbol that has not applied the open breaker yet: it may place an opening order."""


def trip(draft: PortfolioDraft, received: CommandForAll) -> None:
    """Open the global breaker and answer: `accepted` if a symbol may have opening orders, else the final answer."""
    command = received.command
    if not global_breaker.trip(draft, "", by=operator_of(command)):
        draft.answer(command, received.received_time, CommandOutcome.UNCHANGED, f"already open{_note(draft)}")
        return
    orders, number = _orders(draft), len(_unsettled(draft))
    pending = PendingTrip(command=command, time=received.received_time, orders=orders, asked_time=draft.time)
    if not number:
        _answer(draft, pending, CommandOutcome.APPLIED, f"{TRIPPED}; no opening order is open")
        return
    draft.state.pending = pending
    symbols = f"{number} symbol{'' if number == 1 else 's'}"
    text = f"{TRIPPED}; {orders} opening orders of {symbols} are being canceled, closing orders stay"
    _answer(draft, pending, CommandOutcome.ACCEPTED, text)


def supersede(draft: PortfolioDraft, command: Command) -> None:
    """Answer the pending trip, which a reset ends."""
    pending = draft.state.pending
    if pending is not None:
        text = f"superseded by {command.name} of {command.operator}: {_counts(draft, pending)}"
        _answer(draft, pending, CommandOutcome.INCOMPLETE, text)
        draft.state.pending = None


def advance(draft: PortfolioDraft) -> None:
    """Answer the pending trip once no symbol has an opening order, or at its time-out."""
    pending = draft.state.pending
    if pending is None:
        return
    unsettled = _unsettled(draft)
    if not unsettled:
        outcome = CommandOutcome.APPLIED
        text = f"{TRIPPED}; {pending.orders} opening orders canceled or filled, closing orders stay"
    elif 0 < pending.times_out_at <= draft.time:
        outcome = CommandOutcome.INCOMPLETE
        names = ", ".join(sorted(f"{each.venue} {each.symbol}" for each in unsettled))
        text = f"{TRIPPED}; {_counts(draft, pending)}, of {names}; cancels are repeated"
    else:
        if not pending.times_out_at and draft.time > pending.asked_time:
            draft.touch()
            pending.times_out_at = draft.time + TIMEOUT_NS
        return
    _answer(draft, pending, outcome, text)
    draft.state.pending = None


def _unsettled(draft: PortfolioDraft) -> list[SymbolSeen]:
    """Return the symbols that have an opening order, or may place one."""
    return [each for each in draft.seen.values() if each.opening_orders or each.not_quoting in MAY_OPEN]


def _orders(draft: PortfolioDraft) -> int:
    return sum(each.opening_orders for each in draft.seen.values())


def _note(draft: PortfolioDraft) -> str:
    orders = _orders(draft)
    return f"; {orders} opening orders are still open" if orders else ""


def _counts(draft: PortfolioDraft, pending: PendingTrip) -> str:
    out = _orders(draft)
    return f"{max(pending.orders - out, 0)} opening orders ended, {out} still open"


def _answer(draft: PortfolioDraft, pending: PendingTrip, outcome: CommandOutcome, text: str) -> None:
    out = _orders(draft)
    counts = OrderCounts(max(pending.orders - out, 0), out)
    draft.answer(pending.command, pending.time, outcome, text, counts)
