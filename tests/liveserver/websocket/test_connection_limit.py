"""Connection limits: total, per address, and release."""

from liveserver.websocket.connection_limit import ConnectionLimit


def test_connections_per_address_are_limited() -> None:
    limit = ConnectionLimit(max_total=9, max_per_address=2)

    answers = [limit.acquire(address) for address in ("a", "a", "a", "b")]

    assert answers == [None, None, "too many viewers are connected from this address", None]


def test_total_is_limited_and_release_frees_a_connection() -> None:
    limit = ConnectionLimit(max_total=2, max_per_address=2)
    assert [limit.acquire("a"), limit.acquire("b")] == [None, None]
    assert limit.acquire("c") == "too many viewers are connected"

    limit.release("a")

    assert limit.acquire("c") is None
