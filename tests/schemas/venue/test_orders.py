"""Properties of the order life cycle table."""

from schemas.venue.orders import LIFE_CYCLE, OrderStatus


def test_every_status_has_a_row() -> None:
    assert set(LIFE_CYCLE) == set(OrderStatus)


def test_a_status_is_terminal_when_it_has_no_successor() -> None:
    alive = {status for status in OrderStatus if not status.is_terminal}
    assert alive == {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}


def test_no_status_is_reachable_from_itself() -> None:
    for status in OrderStatus:
        assert status not in _reachable(status)


def test_a_terminal_status_is_reachable_from_every_status() -> None:
    for status in OrderStatus:
        assert status.is_terminal or any(after.is_terminal for after in _reachable(status))


def _reachable(status: OrderStatus) -> set[OrderStatus]:
    found: set[OrderStatus] = set()
    waiting = list(LIFE_CYCLE[status])
    while waiting:
        after = waiting.pop()
        if after not in found:
            found.add(after)
            waiting += LIFE_CYCLE[after]
    return found
