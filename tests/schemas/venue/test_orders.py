"""The order life cycle, read from its table."""

from schemas.venue.orders import LIFE_CYCLE, OrderStatus


def test_every_status_has_its_row() -> None:
    assert set(LIFE_CYCLE) == set(OrderStatus)


def test_a_status_is_terminal_when_nothing_follows() -> None:
    alive = {status for status in OrderStatus if not status.is_terminal}
    assert alive == {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}


def test_nothing_returns_to_an_earlier_status() -> None:
    for status in OrderStatus:
        assert status not in _reachable(status)


def test_every_life_ends() -> None:
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
