"""Which closing orders are sent as reduce-only, given how the venue nets the position."""

import pytest

from tests.engine.core.examples import NEUTRAL, D, fill, placed, started, state_of


def test_quantity_offset_by_another_slot_is_closed_without_reduce_only() -> None:
    grid = started(NEUTRAL)
    (sale,) = placed(fill(grid, -1))
    (purchase,) = placed(fill(grid, 1))
    assert sale.reduce_only
    assert not purchase.reduce_only
    assert not purchase.post_only


@pytest.mark.parametrize(
    ("foreign", "is_reducing"), [("-0.001", False), ("-5", False), ("0", True), ("5", True)]
)
def test_quantity_offset_by_a_foreign_position_is_closed_without_reduce_only(
    foreign: str, *, is_reducing: bool
) -> None:
    grid = started()
    state_of(grid).foreign_position = D(foreign)
    (closing,) = placed(fill(grid, -1))
    assert closing.reduce_only is is_reducing


def test_foreign_position_is_not_relied_upon() -> None:
    grid = started(NEUTRAL)
    state_of(grid).foreign_position = D(-5)
    fill(grid, -1)
    (purchase,) = placed(fill(grid, 1))
    assert not purchase.reduce_only
