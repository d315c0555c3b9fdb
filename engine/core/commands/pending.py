"""Pending commands: accepted when applied, complete once the venue has confirmed the end of each order that they cancel.

    pause, trip    wait for the opening orders           set      waits for the orders that its step cancels
    stop           waits for all orders                  remove   waits for all orders, and the removal
    flatten        waits until the position is closed, or what is left is below the venue's minimum

A command with nothing to wait for is answered `applied` at once. Any other one is answered twice: `accepted` in the step
that applies it; then `applied`, or `incomplete` at its time-out or when another command supersedes it. Its time-out is in
market time, the core's only clock: it starts with the first time (tick, silence, report or sweep) after the command, so that
the age of the last known time does not count.
"""

from collections.abc import Sequence

from engine.core.arithmetic import quantity_text, total_profit
from engine.core.commands import halt
from engine.core.commands.answers import holding
from engine.core.quoting.cancels import Cancel
from engine.core.step import Draft, OrderCounts
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.journal import CommandReceived
from schemas.grid.pending import PendingCommand
from schemas.grid.state import GridState
from schemas.units import SECOND_NS, ZERO, ClientOrderId, DurationNs, TimeNs
from schemas.venue.orders import OrderStatus

TIMEOUT_NS: DurationNs = 10 * SECOND_NS
"""Market time within which the venue should confirm all cancels of a command."""
FLATTEN_TIMEOUT_NS: DurationNs = 30 * SECOND_NS
"""The same for commands that end with a closed position."""

CANCELING = frozenset(
    {
        CommandName.PAUSE,
        CommandName.STOP,
        CommandName.FLATTEN,
        CommandName.REMOVE,
        CommandName.TRIP,
        CommandName.SET,
    }
)
"""The commands that cancel orders."""
OPENING_ONLY = frozenset({CommandName.PAUSE, CommandName.TRIP})
"""Those that leave closing orders open."""
SUPERSEDED: dict[CommandName, frozenset[CommandName]] = {
    CommandName.RESUME: frozenset(
        {CommandName.PAUSE, CommandName.STOP, CommandName.FLATTEN, CommandName.REMOVE}
    ),
    CommandName.RESET: frozenset({CommandName.TRIP}),
    CommandName.STOP: frozenset({CommandName.FLATTEN}),
    CommandName.FLATTEN: frozenset({CommandName.STOP}),
}
"""By command: the pending ones whose effect it ends."""


def start(draft: Draft, received: CommandReceived, text: str) -> None:
    """Queue a command that was applied; `advance` answers it in the same step. `text` is part of its results."""
    command = received.command
    draft.touch()
    draft.started.append(
        PendingCommand(
            command_id=command.command_id,
            name=command.name.value,
            operator=command.operator,
            reason=command.reason,
            time=received.received_time,
            text=text,
            asked_time=draft.time,
        )
    )


def supersede(draft: Draft, command: Command) -> None:
    """Answer the pending commands whose effect a command ends."""
    names = {name.value for name in SUPERSEDED.get(command.name, ())}
    state = draft.state
    for each in [*state.pending, *draft.started]:
        if each.name not in names:
            continue
        _count(draft, each)
        if each in draft.started or not _is_complete(state, each):
            text = f"superseded by {command.name} of {command.operator}: {_counts(each)}"
            _answer(draft, each, CommandOutcome.INCOMPLETE, f"{text}{_left(state, each)}")
        else:
            _answer(draft, each, CommandOutcome.APPLIED, _applied(draft, each))
    state.pending = [each for each in state.pending if each.name not in names]
    draft.started = [each for each in draft.started if each.name not in names]


def on_sweep(draft: Draft, time: TimeNs) -> None:
    """Use the time of a sweep for the time-outs: it arrives also while the market has no tick."""
    if any(time >= (each.times_out_at or each.asked_time + 1) for each in draft.state.pending):
        draft.touch()
        draft.sweep_time = max(draft.sweep_time, time)


def advance(draft: Draft, cancels: Sequence[Cancel]) -> None:
    """Answer the commands of this step, given its cancels, and pending ones that are complete or timed out."""
    state = draft.state
    if not state.pending and not draft.started:
        return
    state.pending = [each for each in state.pending if not _advance(draft, each)]
    for each in draft.started:
        each.orders = _waits_for(state, each, cancels)
        if each.name == CommandName.SET and draft.is_amount_changed:
            each.text += _kept_size(state, each)
        if _is_complete(state, each):
            _answer(draft, each, CommandOutcome.APPLIED, _applied(draft, each))
        else:
            _answer(draft, each, CommandOutcome.ACCEPTED, _accepted(state, each))
            state.pending.append(each)
    draft.started = []


def expiries(state: GridState) -> list[TimeNs]:
    """Return the market times at which a pending command changes; 0 for one that waits for any later time."""
    times = [each.times_out_at for each in state.pending]
    return times + [each.times_out_at for each in state.asked]


def time_out(draft: Draft, asked_time: TimeNs, times_out_at: TimeNs, timeout: DurationNs) -> TimeNs:
    """Return the time at which a command times out, setting it at the first time after the command; 0 if not known yet."""
    now = max(draft.time, draft.sweep_time)
    if times_out_at or now <= asked_time:
        return times_out_at
    draft.touch()
    return now + timeout


def is_late(draft: Draft, times_out_at: TimeNs) -> bool:
    """Return whether a time-out has passed."""
    return 0 < times_out_at <= max(draft.time, draft.sweep_time)


def still_open(state: GridState, *, opening_only: bool = False) -> str:
    """Return a note on orders that an earlier command cancels, for the answer `unchanged`; empty without any."""
    number = len(_live(state, opening_only=opening_only))
    return f"; {_orders(number, opening_only=opening_only)} still open" if number else ""


def _advance(draft: Draft, pending: PendingCommand) -> bool:
    """Count the orders that ended, and return whether the command is answered for good."""
    state = draft.state
    _count(draft, pending)
    if _is_complete(state, pending):
        _answer(draft, pending, CommandOutcome.APPLIED, _applied(draft, pending))
        return True
    if pending.name == CommandName.REMOVE and not pending.orders and _is_removal_aborted(state):
        text = f"{_counts(pending)}; not removed, {holding(state)} is left: flatten, or remove with the position kept"
        _answer(draft, pending, CommandOutcome.INCOMPLETE, text)
        return True
    does_close = pending.name == CommandName.FLATTEN or (state.halt is not None and state.halt.flattens)
    timeout = FLATTEN_TIMEOUT_NS if does_close else TIMEOUT_NS
    pending.times_out_at = time_out(draft, pending.asked_time, pending.times_out_at, timeout)
    if not is_late(draft, pending.times_out_at):
        return False
    goes_on = "closing continues" if does_close else "cancels are repeated"
    text = f"{_counts(pending)}{_left(state, pending)}; {goes_on}"
    _answer(draft, pending, CommandOutcome.INCOMPLETE, text)
    return True


def _count(draft: Draft, pending: PendingCommand) -> None:
    """Count the orders of a pending command that ended in this step."""
    live = _live(draft.state)
    ended = [each for each in pending.orders if each not in live]
    if ended:
        draft.touch()
        filled = sum(draft.ended.get(each) is OrderStatus.FILLED for each in ended)
        pending.orders = [each for each in pending.orders if each in live]
        pending.filled += filled
        pending.canceled += len(ended) - filled


def _waits_for(state: GridState, pending: PendingCommand, cancels: Sequence[Cancel]) -> list[ClientOrderId]:
    if pending.name == CommandName.SET:
        return [each.order.client_order_id for each in cancels]
    return _live(state, opening_only=pending.name in OPENING_ONLY)


def _kept_size(state: GridState, pending: PendingCommand) -> str:
    """Return a note on the open orders that a changed amount does not replace; empty without any."""
    kept = len(set(_live(state, opening_only=True)) - set(pending.orders))
    if not kept:
        return ""
    return f"; {kept} open order{' keeps its' if kept == 1 else 's keep their'} size"


def _live(state: GridState, *, opening_only: bool = False) -> list[ClientOrderId]:
    orders = [slot.order for slot in state.slots.values() if slot.order is not None]
    return [
        each.client_order_id for each in orders if each.ended is None and (each.opens or not opening_only)
    ]


def _is_complete(state: GridState, pending: PendingCommand) -> bool:
    if pending.orders:
        return False
    if pending.name == CommandName.FLATTEN:
        return state.halt is None or not state.halt.flattens
    return pending.name != CommandName.REMOVE or state.removed


def _is_removal_aborted(state: GridState) -> bool:
    return not state.removed and (state.halt is None or not state.halt.removes)


def _accepted(state: GridState, pending: PendingCommand) -> str:
    number = len(pending.orders)
    if not number:
        return _joined(pending, "no order is open", _rest(state, pending))
    verb = "is" if number == 1 else "are"
    orders = _orders(number, opening_only=pending.name in OPENING_ONLY)
    return _joined(pending, f"{orders} {verb} being canceled", _rest(state, pending))


def _applied(draft: Draft, pending: PendingCommand) -> str:
    state = draft.state
    is_set_only = pending.name == CommandName.SET and not pending.canceled + pending.filled
    rest = _closed(draft) if pending.name == CommandName.FLATTEN else _rest(state, pending)
    return _joined(pending, "" if is_set_only else _counts(pending), rest)


def _joined(pending: PendingCommand, orders: str, rest: str) -> str:
    is_first = pending.name in {CommandName.TRIP, CommandName.SET}
    parts = (pending.text if is_first else "", orders, rest)
    return "; ".join(each for each in parts if each)


def _rest(state: GridState, pending: PendingCommand) -> str:
    """Return what a command leaves, or does after the cancels."""
    match CommandName(pending.name):
        case CommandName.PAUSE:
            return f"closing orders and {holding(state)} stay"
        case CommandName.STOP:
            return f"{holding(state)} stays"
        case CommandName.REMOVE if state.removed:
            return f"removed, {holding(state)} is left"
        case CommandName.FLATTEN | CommandName.REMOVE:
            return pending.text
        case _:
            return ""


def _closed(draft: Draft) -> str:
    state = draft.state
    price = draft.price or ZERO
    profit = total_profit(state.accounts, price)
    return f"{halt.result(state, price)[1]}, total profit {profit} {state.instrument.quote}; stopped"


def _left(state: GridState, pending: PendingCommand) -> str:
    parts = [f", {len(pending.orders)} still open"] if pending.orders else []
    if pending.name == CommandName.FLATTEN:
        parts.append(f", {quantity_text(state.accounts.position)} {state.instrument.base} left")
    return "".join(parts)


def _counts(pending: PendingCommand) -> str:
    """Return how the orders ended: `11 orders canceled, 1 filled`."""
    canceled = f"{_orders(pending.canceled, opening_only=pending.name in OPENING_ONLY)} canceled"
    return f"{canceled}, {pending.filled} filled" if pending.filled else canceled


def _orders(number: int, *, opening_only: bool) -> str:
    return f"{number} {'opening ' if opening_only else ''}order{'' if number == 1 else 's'}"


def _answer(draft: Draft, pending: PendingCommand, outcome: CommandOutcome, detail: str) -> None:
    has_orders = pending.name != CommandName.SET or pending.orders or pending.canceled or pending.filled
    draft.answer(
        command_id=pending.command_id,
        name=CommandName(pending.name),
        operator=pending.operator,
        reason=pending.reason,
        outcome=outcome,
        detail=detail,
        time=pending.time,
        orders=OrderCounts(pending.canceled, len(pending.orders)) if has_orders else None,
    )
