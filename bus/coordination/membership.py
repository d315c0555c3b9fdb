"""Members of a process group, the keys they hold, and the fair share of keys, as read from the bucket `lease`.

A key is a unit of work for one member at a time: for engines a symbol of a venue (`sim.BTC-USDT`), for the gateways of a
venue a symbol (`BTC-USDT`). A member claims a key by an entry that names it as the holder; the claim and the member's own
entry together are its lease.

Example, the group `engine` with one member and one claimed key:
    member.engine.host-4711    {"incarnation": "9f3c...", "waiting": 2, "leaving": false}    member.GROUP.MEMBER
    engine.sim.BTC-USDT        {"holder": "host-4711", "incarnation": "9f3c..."}             GROUP.KEY
"""

import math
from collections.abc import Collection
from typing import NamedTuple, TypeVar

import msgspec

from schemas.codec import INVALID_JSON

T = TypeVar("T")


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A process of a group. Each process writes its own entry repeatedly."""

    incarnation: str
    """Unique to each run of a process, also among processes of the same name."""
    waiting: int = 0
    """Number of keys that it waits for."""
    leaving: bool = False
    """Whether it is shutting down and takes no more keys."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a key. Valid while the member exists with the same incarnation."""

    holder: str
    incarnation: str


class SeenMember(NamedTuple):
    """A member, the revision of its entry, and when this process received it."""

    member: Member
    revision: int
    seen_at_s: float
    """Seconds of this process's monotonic clock."""


class SeenClaim(NamedTuple):
    """A claim and its revision; `claim` is None when the entry is undecodable."""

    claim: Claim | None
    revision: int


class Membership:
    """The members of one group by name, and its claims by key, without the group's name."""

    def __init__(self, group: str) -> None:
        self._claim_prefix = f"{group}."
        self._member_prefix = f"member.{group}."
        self.members: dict[str, SeenMember] = {}
        self.claims: dict[str, SeenClaim] = {}

    def member_key(self, name: str) -> str:
        """Return the bucket key of a member's entry."""
        return self._member_prefix + name

    def claim_key(self, key: str) -> str:
        """Return the bucket key of the claim of `key`."""
        return self._claim_prefix + key

    def apply(self, bucket_key: str, data: bytes | None, revision: int, now_s: float) -> bool:
        """Apply an entry of the bucket and return whether it is one of the group; others are ignored.

        `data` is None for a deleted entry; `now_s` is the monotonic clock.
        """
        if bucket_key.startswith(self._member_prefix):
            self._apply_member(bucket_key.removeprefix(self._member_prefix), data, revision, now_s)
            return True
        if bucket_key.startswith(self._claim_prefix):
            claimed_key = bucket_key.removeprefix(self._claim_prefix)
            if data is None:
                self.claims.pop(claimed_key, None)
            else:
                self.claims[claimed_key] = SeenClaim(decode_or_none(data, Claim), revision)
            return True
        return False

    def clear(self) -> None:
        """Discard all members and claims, because the bucket was recreated or has to be read again."""
        self.members.clear()
        self.claims.clear()

    def holder(self, key: str) -> str | None:
        """Return the name of the member that holds a key; None when the key may be claimed.

        That is: when there is no claim, the claim is undecodable, or its holder is gone or was restarted since.
        """
        seen = self.claims.get(key)
        if seen is None or seen.claim is None:
            return None
        holder = self.members.get(seen.claim.holder)
        is_valid = holder is not None and holder.member.incarnation == seen.claim.incarnation
        return seen.claim.holder if is_valid else None

    def held_count(self, name: str) -> int:
        """Return the number of keys that a member holds."""
        return sum(self.holder(key) == name for key in self.claims)

    def fair_share(self, wanted_or_held: Collection[str]) -> int:
        """Return the number of keys for each member that is not leaving, rounded up.

        The keys are those that this process wants or holds (`wanted_or_held`), and those that any member holds.
        """
        keys = {*wanted_or_held, *(key for key in self.claims if self.holder(key) is not None)}
        active = sum(not seen.member.leaving for seen in self.members.values())
        return math.ceil(len(keys) / max(active, 1))

    def another_member_can_take_more(self, name: str, fair_share: int) -> bool:
        """Return whether a member other than `name` is not leaving, waits for keys and holds fewer than `fair_share`."""
        return any(
            seen.member.waiting and not seen.member.leaving and self.held_count(other) < fair_share
            for other, seen in self.members.items()
            if other != name
        )

    def has_other_active_member(self, name: str) -> bool:
        """Return whether a member other than `name` is not leaving."""
        return any(not seen.member.leaving for other, seen in self.members.items() if other != name)

    def members_not_seen_since(self, time_s: float) -> list[str]:
        """Return the members whose last entry was received before `time_s` of the monotonic clock."""
        return [name for name, seen in self.members.items() if seen.seen_at_s < time_s]

    def _apply_member(self, name: str, data: bytes | None, revision: int, now_s: float) -> None:
        # An undecodable entry counts as deleted: the member's claims become free.
        member = None if data is None else decode_or_none(data, Member)
        if member is None:
            self.members.pop(name, None)
        else:
            self.members[name] = SeenMember(member, revision, now_s)


def decode_or_none(data: bytes, entry_type: type[T]) -> T | None:
    """Return the decoded entry; None when it is invalid."""
    try:
        return msgspec.json.decode(data, type=entry_type)
    except INVALID_JSON:
        return None


def incarnation_of(data: bytes) -> str:
    """Return the incarnation in a member's entry; empty when it is invalid."""
    member = decode_or_none(data, Member)
    return member.incarnation if member is not None else ""
