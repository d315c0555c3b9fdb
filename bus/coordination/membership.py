"""What the `lease` bucket says, and since when by this process's own clock: who is there, who holds what, what is fair."""

import math
from collections.abc import Collection
from typing import NamedTuple, TypeVar

import msgspec

T = TypeVar("T")


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A process of a group, as it says itself, again and again."""

    incarnation: str
    """Differs from process to process, also where their names do not."""
    waiting: int = 0
    """How many keys it would like to have."""
    leaving: bool = False
    """It is about to end, and will take nothing any more."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A key's holder. It holds as long as the member is there in the same incarnation."""

    holder: str
    incarnation: str


class Seen(NamedTuple):
    """A member, the revision of what it said last, and when that was heard here."""

    member: Member
    revision: int
    heard_at: float


class Held(NamedTuple):
    """A claim and its revision; no claim where nonsense was written."""

    claim: Claim | None
    revision: int


class Membership:
    """What one group of processes says. Keys are without the group's name."""

    def __init__(self, group: str) -> None:
        self._keys = f"{group}."
        self._names = f"member.{group}."
        self.members: dict[str, Seen] = {}
        self.claims: dict[str, Held] = {}

    def member_key(self, name: str) -> str:
        """Return where in the bucket a member is."""
        return self._names + name

    def lease_key(self, key: str) -> str:
        """Return where in the bucket a key's claim is."""
        return self._keys + key

    def hear(self, key: str, data: bytes | None, revision: int, now: float) -> None:
        """Take note of what the bucket has; None for a value that was taken away."""
        if key.startswith(self._names):
            self._hear_member(key.removeprefix(self._names), data, revision, now)
        elif key.startswith(self._keys):
            name = key.removeprefix(self._keys)
            if data is None:
                self.claims.pop(name, None)
            else:
                self.claims[name] = Held(decoded(data, Claim), revision)

    def clear(self) -> None:
        """Forget everything: the bucket was made anew."""
        self.members.clear()
        self.claims.clear()

    def holder(self, key: str) -> str | None:
        """Return who holds a key, None when it is free."""
        held = self.claims.get(key)
        if held is None or held.claim is None:
            return None
        seen = self.members.get(held.claim.holder)
        is_there = seen is not None and seen.member.incarnation == held.claim.incarnation
        return held.claim.holder if is_there else None

    def count(self, name: str) -> int:
        """Return how many keys a member holds."""
        return sum(self.holder(key) == name for key in self.claims)

    def share(self, wanted: Collection[str]) -> int:
        """Return how many keys are a fair share: all there are, over the members that stay, rounded up."""
        keys = {*wanted, *(key for key in self.claims if self.holder(key) is not None)}
        staying = sum(not seen.member.leaving for seen in self.members.values())
        return math.ceil(len(keys) / max(staying, 1))

    def has_room(self, besides: str, share: int) -> bool:
        """Tell whether a member other than `besides` waits for keys and has less than its share."""
        return any(
            seen.member.waiting and not seen.member.leaving and self.count(name) < share
            for name, seen in self.members.items()
            if name != besides
        )

    def stays(self, besides: str) -> bool:
        """Tell whether a member other than `besides` goes on."""
        return any(not seen.member.leaving for name, seen in self.members.items() if name != besides)

    def silent(self, since: float) -> list[str]:
        """Return the members that were not heard since then."""
        return [name for name, seen in self.members.items() if seen.heard_at < since]

    def _hear_member(self, name: str, data: bytes | None, revision: int, now: float) -> None:
        member = None if data is None else decoded(data, Member)
        if member is None:
            self.members.pop(name, None)
        else:
            self.members[name] = Seen(member, revision, now)


def decoded(data: bytes, kind: type[T]) -> T | None:
    """Return what was written there, None for nonsense."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def incarnation_of(data: bytes) -> str:
    """Return the incarnation of a member; empty for nonsense."""
    member = decoded(data, Member)
    return member.incarnation if member is not None else ""
