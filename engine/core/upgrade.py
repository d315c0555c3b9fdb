"""Upgrade a step of an earlier version."""

import msgspec

from engine.core.view import risk_summary
from schemas.engine.journal import Step
from schemas.formats import MINIMUM_READER, STATE_VERSION
from schemas.grid.guard_state import MarginLock
from schemas.grid.state import GridState
from schemas.units import Side


def upgraded(step: Step) -> Step:
    """Return a step with its state in the present version; a present step as it is."""
    if step.state_version >= STATE_VERSION:
        return step
    state = step.state if step.state_version > 1 else _from_version_1(step.state)
    state = _with_pairs(_with_locks_by_side(state))
    return msgspec.structs.replace(
        step,
        state=state,
        state_version=STATE_VERSION,
        minimum_reader=MINIMUM_READER,
        risk=risk_summary(state),
    )


def _with_pairs(old: GridState) -> GridState:
    # Up to version 2 each trade that closed something counted as a pair.
    accounts = msgspec.structs.replace(old.accounts, closed_pairs=old.accounts.closed_trades)
    return msgspec.structs.replace(old, accounts=accounts)


def _with_locks_by_side(old: GridState) -> GridState:
    # Up to version 2 one lock held back the opening orders of both sides, until a time.
    until = old.margin_locked_until
    if not until:
        return old
    locks = {side: MarginLock(asset=old.instrument.settle, since=old.time, until=until) for side in Side}
    return msgspec.structs.replace(old, margin_locked_until=0, margin_locks=locks)


def _from_version_1(old: GridState) -> GridState:
    # Version 1 kept no mark: every trade that it applied was stored before its newest booked one, or finished an order.
    mark = max(old.traded_time, old.accounts.first_time)
    ids = [trade_id for order in old.finished for trade_id in order.trade_ids]
    finished = [msgspec.structs.replace(order, trade_ids=[]) for order in old.finished]
    return msgspec.structs.replace(
        old,
        booked_through=mark,
        booked_trades=dict.fromkeys(ids, mark),
        finished=finished,
        booked_funding=dict.fromkeys(old.funding_ids, mark),
        funding_ids=[],
    )
