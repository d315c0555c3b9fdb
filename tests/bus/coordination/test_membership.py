"""What the bucket says: who holds what, what a fair share is, who is silent."""

from bus.coordination.membership import Claim, Member, Membership
from schemas.codec import encode


def board(*members: str, claims: dict[str, str] | None = None, waiting: int = 0) -> Membership:
    made = Membership("engine")
    for revision, name in enumerate(members, start=1):
        word = encode(Member(incarnation=name, waiting=waiting))
        made.hear(f"member.engine.{name}", word, revision, now=float(revision))
    for key, name in (claims or {}).items():
        made.hear(f"engine.{key}", encode(Claim(holder=name, incarnation=name)), 100, now=0.0)
    return made


def test_a_key_is_held_by_the_member_that_its_claim_names() -> None:
    assert board("a", claims={"x": "a"}).holder("x") == "a"


def test_what_a_member_held_is_free_when_it_is_gone() -> None:
    made = board("a", claims={"x": "a"})
    made.hear("member.engine.a", None, 5, now=5.0)
    assert made.holder("x") is None


def test_what_an_earlier_incarnation_held_is_free() -> None:
    made = board("a", claims={"x": "a"})
    made.hear("member.engine.a", encode(Member(incarnation="a again")), 5, now=5.0)
    assert made.holder("x") is None


def test_a_claim_that_cannot_be_read_holds_nothing_and_keeps_its_revision() -> None:
    made = board("a")
    made.hear("engine.x", b"{nonsense", 7, now=0.0)
    assert (made.holder("x"), made.claims["x"].revision) == (None, 7)


def test_a_share_is_rounded_up_and_counts_what_others_hold() -> None:
    made = board("a", "b", claims={"x": "a", "y": "a", "z": "a"})
    assert made.share(["y"]) == 2


def test_who_leaves_has_no_share() -> None:
    made = board("a", "b", claims={"x": "a", "y": "a"})
    made.hear("member.engine.b", encode(Member(incarnation="b", leaving=True)), 5, now=5.0)
    assert made.share([]) == 2


def test_there_is_room_only_where_a_member_waits() -> None:
    claims = {"x": "a", "y": "a"}
    assert not board("a", "b", claims=claims).has_room("a", 1)
    assert board("a", "b", claims=claims, waiting=1).has_room("a", 1)


def test_the_silent_are_those_not_heard_since() -> None:
    assert board("a", "b", "c").silent(since=2.5) == ["a", "b"]


def test_other_groups_are_not_heard() -> None:
    made = Membership("engine")
    made.hear("member.gateway.sim.a", encode(Member(incarnation="a")), 1, now=0.0)
    made.hear("gateway.sim.x", encode(Claim(holder="a", incarnation="a")), 2, now=0.0)
    assert (made.members, made.claims) == ({}, {})
