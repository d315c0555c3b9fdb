"""The members and claims of one process group, as read from the bucket `lease`, and the fair share of keys.

Example:
    member.engine.host-4711    {"incarnation": "9f3c...", "waiting": 2, "leaving": false}
    engine.sim.BTC-USDT        {"holder": "host-4711", "incarnation": "9f3c..."}
"""

import math
from collections.abc import Collection
from typing import NamedTuple, TypeVar

import msgspec

T = TypeVar("T")


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A process of a group. Each process writes its own entry repeatedly."""

    incarnation: str
    """Unique to each run of a process, also among processes of the same name."""
    waiting: int = 0
    """Number of keys it waits for."""
    leaving: bool = False
    """Whether it is shutting down and takes no more keys."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a key. Valid while the member exists with the same incarnation."""

    holder: str
    incarnation: str


class SeenMember(NamedTuple):
    """A member, the revision of its entry, and when this process received it, by the local clock in seconds."""

    member: Member
    revision: int
    seen_at: float


class SeenClaim(NamedTuple):
    """A claim and its revision; None for an undecodable claim."""

    claim: Claim | None
    revision: int


class Membership:
    """The members and claims of one group. Keys do not include the group's name."""

    def __init__(self, group: str) -> None:
        self._claim_prefix = f"{group}."
        self._member_prefix = f"member.{group}."
        self.members: dict[str, SeenMember] = {}
        self.claims: dict[str, SeenClaim] = {}

    def member_key(self, name: str) -> str:
        """Return the bucket key of a member."""
        return self._member_prefix + name

    def lease_key(self, key: str) -> str:
        """Return the bucket key of a claim."""
        return self._claim_prefix + key

    def apply(self, key: str, data: bytes | None, revision: int, now: float) -> None:
        """Apply an entry of the bucket; `data` is None for a deleted value."""
        if key.startswith(self._member_prefix):
            self._apply_member(key.removeprefix(self._member_prefix), data, revision, now)
        elif key.startswith(self._claim_prefix):
            name = key.removeprefix(self._claim_prefix)
            if data is None:
                self.claims.pop(name, None)
            else:
                self.claims[name] = SeenClaim(decode_or_none(data, Claim), revision)

    def clear(self) -> None:
        """Discard all members and claims, because the bucket was recreated."""
        self.members.clear()
        self.claims.clear()

    def holder(self, key: str) -> str | None:
        """Return the name of the member that holds a key; None when it is free."""
        seen = self.claims.get(key)
        if seen is None or seen.claim is None:
            return None
        holder = self.members.get(seen.claim.holder)
        is_valid = holder is not None and holder.member.incarnation == seen.claim.incarnation
        return seen.claim.holder if is_valid else None

    def count(self, name: str) -> int:
        """Return the number of keys that a member holds."""
        return sum(self.holder(key) == name for key in self.claims)

    def share(self, wanted: Collection[str]) -> int:
        """Return the fair share: the number of wanted or held keys per staying member, rounded up."""
        keys = {*wanted, *(key for key in self.claims if self.holder(key) is not None)}
        staying = sum(not seen.member.leaving for seen in self.members.values())
        return math.ceil(len(keys) / max(staying, 1))

    def has_room(self, besides: str, share: int) -> bool:
        """Return whether a member other than `besides` waits for keys and holds less than its share."""
        return any(
            seen.member.waiting and not seen.member.leaving and self.count(name) < share
            for name, seen in self.members.items()
            if name != besides
        )

    def has_staying(self, besides: str) -> bool:
        """Return whether a member other than `besides` is not leaving."""
        return any(not seen.member.leaving for name, seen in self.members.items() if name != besides)

    def silent(self, since: float) -> list[str]:
        """Return the members whose last entry was received before `since`, a local time in seconds."""
        return [name for name, seen in self.members.items() if seen.seen_at < since]

    def _apply_member(self, name: str, data: bytes | None, revision: int, now: float) -> None:
        member = None if data is None else decode_or_none(data, Member)
        if member is None:
            self.members.pop(name, None)
        else:
            self.members[name] = SeenMember(member, revision, now)


def decode_or_none(data: bytes, kind: type[T]) -> T | None:
    """Return the decoded entry; None when it is invalid."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def incarnation_of(data: bytes) -> str:
    """Return the incarnation in a member's entry; empty when it is invalid."""
    member = decode_or_none(data, Member)
    return member.incarnation if member is not None else ""
