"""A turnstile: so many in all, so many from one address, and room again when somebody leaves."""

from liveserver.websocket.connection_limit import Turnstile


def test_one_address_has_a_limit_of_its_own() -> None:
    turnstile = Turnstile(total=9, per_address=2)

    answers = [turnstile.enter(address) for address in ("a", "a", "a", "b")]

    assert answers == [None, None, "too many viewers are connected from this address", None]


def test_all_together_have_a_limit_and_who_leaves_makes_room() -> None:
    turnstile = Turnstile(total=2, per_address=2)
    assert [turnstile.enter("a"), turnstile.enter("b")] == [None, None]
    assert turnstile.enter("c") == "too many viewers are connected"

    turnstile.leave("a")

    assert turnstile.enter("c") is None
