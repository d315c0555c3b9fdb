"""The ledger of fills: since when the stream ENGINE has every fill of the grid.

The accounts do not depend on it: they are part of the state.
"""

from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.engine.journal import LedgerGap


def on_gap(draft: Draft, gap: LedgerGap) -> None:
    """Record fills that ENGINE lost for good, once for each loss."""
    state = draft.state
    lost = gap.lost_fills - state.lost_fills
    if lost <= 0:
        return
    draft.touch()
    state.lost_fills = gap.lost_fills
    state.ledger_from = max(state.ledger_from, gap.complete_from)
    draft.alert(
        Severity.MEDIUM,
        "fills_lost",
        f"the bus lost {lost} fills, and JOURNAL no longer has their steps: the list of fills begins later than the grid; "
        "position and profit include them. To get them back, restore a backup",
    )
