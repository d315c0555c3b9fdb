"""Membership: holders, fair shares, members that were not seen for a while."""

from bus.coordination.membership import Claim, Member, Membership
from schemas.codec import encode


def membership(*members: str, claims: dict[str, str] | None = None, waiting: int = 0) -> Membership:
    group = Membership("engine")
    for revision, name in enumerate(members, start=1):
        entry = encode(Member(incarnation=name, waiting=waiting))
        group.apply(f"member.engine.{name}", entry, revision, now_s=float(revision))
    for key, name in (claims or {}).items():
        group.apply(f"engine.{key}", encode(Claim(holder=name, incarnation=name)), 100, now_s=0.0)
    return group


def test_a_key_is_held_by_the_member_in_its_claim() -> None:
    assert membership("a", claims={"x": "a"}).holder("x") == "a"


def test_the_keys_of_a_removed_member_are_free() -> None:
    group = membership("a", claims={"x": "a"})
    group.apply("member.engine.a", None, 5, now_s=5.0)
    assert group.holder("x") is None


def test_the_keys_of_an_earlier_incarnation_are_free() -> None:
    group = membership("a", claims={"x": "a"})
    group.apply("member.engine.a", encode(Member(incarnation="a again")), 5, now_s=5.0)
    assert group.holder("x") is None


def test_an_invalid_claim_holds_nothing_and_keeps_its_revision() -> None:
    group = membership("a")
    group.apply("engine.x", b"{invalid", 7, now_s=0.0)
    assert (group.holder("x"), group.claims["x"].revision) == (None, 7)


def test_the_share_is_rounded_up_and_counts_keys_held_by_others() -> None:
    group = membership("a", "b", claims={"x": "a", "y": "a", "z": "a"})
    assert group.fair_share(["y"]) == 2


def test_a_leaving_member_has_no_share() -> None:
    group = membership("a", "b", claims={"x": "a", "y": "a"})
    group.apply("member.engine.b", encode(Member(incarnation="b", leaving=True)), 5, now_s=5.0)
    assert group.fair_share([]) == 2


def test_only_a_waiting_member_can_take_more() -> None:
    claims = {"x": "a", "y": "a"}
    assert not membership("a", "b", claims=claims).another_member_can_take_more("a", 1)
    assert membership("a", "b", claims=claims, waiting=1).another_member_can_take_more("a", 1)


def test_silent_members_were_not_renewed_since_the_given_time() -> None:
    assert membership("a", "b", "c").members_not_seen_since(2.5) == ["a", "b"]


def test_entries_of_other_groups_are_ignored() -> None:
    group = Membership("engine")
    group.apply("member.gateway.sim.a", encode(Member(incarnation="a")), 1, now_s=0.0)
    group.apply("gateway.sim.x", encode(Claim(holder="a", incarnation="a")), 2, now_s=0.0)
    assert (group.members, group.claims) == ({}, {})
