"""Upgrade a step of an earlier version."""

import msgspec

from engine.core.view import risk_summary
from schemas.engine.journal import Step
from schemas.formats import MINIMUM_READER, STATE_VERSION
from schemas.grid.state import GridState


def upgraded(step: Step) -> Step:
    """Return a step with its state in the present version; a present step as it is."""
    if step.state_version >= STATE_VERSION:
        return step
    state = _from_version_1(step.state)
    return msgspec.structs.replace(
        step,
        state=state,
        state_version=STATE_VERSION,
        minimum_reader=MINIMUM_READER,
        risk=risk_summary(state),
    )


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
