"""Leases: who tries to run what. Whoever is, the fence of the journal decides; nothing that is right depends on a lease.

Each process of a group is a member: a key in the bucket `lease` that it writes again and again, by compare-and-set. A key
is held by the member that its claim names. Nobody compares clocks: a member that has not been heard for a while, by the
listener's own clock, is taken off the list by compare-and-set, and what it held is free. When it was only paused, its
next word is refused: it knows that it has nothing any more, ends what it ran, and joins anew.

    async with leases(bus, "engine", name) as mine:
        await mine.run_while_held("sim.BTC-USDT", work)     # waits, works, ends the work when the key is lost, lets go
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import NamedTuple, Never

from bus.client.connection import Bus
from bus.client.consumer import LastPerSubject
from bus.client.message import Received
from bus.coordination.membership import Claim, Member, Membership, incarnation_of
from bus.coordination.tenure import Lease, Work
from bus.errors import Ambiguous, BusError, Conflict, OffsetLost, Refused, StreamGone, TopologyDiffers
from bus.log import Logger, get_logger
from bus.service.lifecycle import forever
from bus.streams.provision import provision
from bus.streams.reader import read
from bus.streams.registry import DELETED, OPERATION, Registry

BUCKET = "lease"
RELEASE_WITHIN_S = 1.0
LEAVE_TOGETHER_S = 0.5
"""How long who leaves waits for others to say that they leave as well."""


class Timing(NamedTuple):
    """How often a member speaks, and how long it may be silent, in seconds."""

    renew_s: float = 0.5
    expire_s: float = 1.8


TIMING = Timing()


@asynccontextmanager
async def leases(bus: Bus, group: str, name: str, *, timing: Timing = TIMING) -> AsyncIterator["Leases"]:
    """Take part in the sharing of a group's keys as `name`, and leave when the context ends.

    Of two members of one name the later is the member, and the earlier waits until it is silent.
    """
    here = Leases(bus, group, name, timing, get_logger("lease"))
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(here.run(), name="leases")
            yield here
            running.cancel()
    finally:
        await here.leave()


class Leases:
    """The keys of one group, shared fairly between its members. To be had from `leases`."""

    def __init__(self, bus: Bus, group: str, name: str, timing: Timing, log: Logger) -> None:
        self.name = name
        self._bus = bus
        self._registry = Registry(bus, BUCKET)
        self._timing = timing
        self._log = log.bind(group=group, name=name)
        self._clock = time.monotonic
        self._board = Membership(group)
        self._incarnation = uuid.uuid4().hex
        self._revision: int | None = None
        self._has_joined = False
        self._is_leaving = False
        self._created = ""
        # What was heard before our own last word came back, and not since, is how others' silence is measured: when
        # we are deaf, everybody is silent.
        self._echo_at = 0.0
        self._waiting: dict[str, Lease] = {}
        self._held: dict[str, Lease] = {}
        self._patient_until = 0.0
        self._free_since: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._spoken = asyncio.Event()

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[Lease]:
        assert key not in self._waiting, f"{key} is waited for already"
        assert key not in self._held, f"{key} is held already"
        lease = self._waiting[key] = Lease(key, self._has_others)
        self._changed.set()
        try:
            await lease.given.wait()
            yield lease
        finally:
            self._waiting.pop(key, None)
            if self._held.pop(key, None) is not None and lease.revision:
                await self._delete(self._board.lease_key(key), lease.revision)

    async def run_while_held(self, key: str, work: Work) -> None:
        async with self.held(key) as lease:
            working = asyncio.create_task(work(lease), name=f"work:{key}")
            losing = asyncio.create_task(lease.lost.wait(), name=f"lease:{key}")
            try:
                await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                losing.cancel()
                working.cancel()
                await asyncio.wait({working, losing})
                if not working.cancelled():
                    working.result()

    def holder(self, key: str) -> str | None:
        return self._board.holder(key)

    def members(self) -> list[str]:
        return sorted(self._board.members)

    async def run(self) -> Never:
        """Keep the membership, listen, take what is free and give what is too much, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("leases", self._follow()), name="leases")
            tasks.create_task(forever("membership", self._speak()), name="membership")
            tasks.create_task(forever("allocation", self._allocate()), name="allocation")
        raise AssertionError("its tasks run for ever")

    async def leave(self) -> None:
        """Take this process off the list."""
        key = self._board.member_key(self.name)
        with suppress(BusError, TimeoutError):
            async with asyncio.timeout(RELEASE_WITHIN_S):
                stored = await self._registry.get(key)
                if stored is not None and incarnation_of(stored.data) == self._incarnation:
                    await self._registry.delete(key, stored.revision)

    async def _follow(self) -> None:
        while True:
            try:
                created = await self._bus.stream_created(f"KV_{BUCKET}")
                self._begin_on(created)
                reading = read(self._bus, f"KV_{BUCKET}", (f"$KV.{BUCKET}.>",), LastPerSubject())
                async with aclosing(reading) as batches:
                    async for batch in batches:
                        for message in batch.messages:
                            self._hear(message)
                        self._changed.set()
            except (OffsetLost, StreamGone, Refused, Ambiguous) as error:
                self._board.clear()
                await self._mend(error)

    def _begin_on(self, created: str) -> None:
        if self._created not in ("", created):
            # What we hold we claim again; what others held is theirs to claim, for a while.
            self._board.clear()
            self._revision = None
            self._patient_until = self._clock() + self._timing.expire_s
            for lease in self._held.values():
                lease.revision = 0
        self._created = created

    def _hear(self, message: Received) -> None:
        key = message.subject.removeprefix(f"$KV.{BUCKET}.")
        data = None if message.headers.get(OPERATION) in DELETED else message.data
        now = self._clock()
        self._board.hear(key, data, message.sequence, now)
        self._spoken.set()
        if key == self._board.member_key(self.name):
            own = self._board.members.get(self.name)
            if own is not None and own.member.incarnation == self._incarnation:
                self._echo_at = now
            elif self._revision is not None and message.sequence > self._revision:
                self._lose_everything("taken off the list")
        for lease in tuple(self._held.values()):
            if key == self._board.lease_key(lease.key) and message.sequence > lease.revision:
                held = self._board.claims.get(lease.key)
                if held is None or held.claim is None or held.claim.incarnation != self._incarnation:
                    self._lose(lease, "taken over")

    async def _speak(self) -> None:
        while True:
            try:
                await (self._join() if self._revision is None else self._renew(self._revision))
            except (Ambiguous, Refused, StreamGone) as error:
                await self._mend(error)
            await asyncio.sleep(self._timing.renew_s)

    async def _join(self) -> None:
        key = self._board.member_key(self.name)
        stored = await self._registry.get(key)
        if stored is not None and self._has_joined and not self._is_silent(self.name):
            return  # somebody of the same name came after us
        if stored is None:
            revision = await self._registry.create(key, self._word())
        else:
            revision = await self._registry.update(key, self._word(), stored.revision)
        if revision is not None:
            self._revision, self._has_joined = revision, True
            self._changed.set()

    async def _renew(self, revision: int) -> None:
        key = self._board.member_key(self.name)
        try:
            self._revision = await self._registry.update(key, self._word(), revision)
        except (Conflict, Ambiguous):
            stored = await self._registry.get(key)
            if stored is not None and incarnation_of(stored.data) == self._incarnation:
                self._revision = stored.revision
                return
            self._begin_on(await self._bus.stream_created(f"KV_{BUCKET}"))
            if self._revision is not None:
                self._lose_everything("taken off the list")

    def _word(self) -> Member:
        return Member(incarnation=self._incarnation, waiting=len(self._waiting), leaving=self._is_leaving)

    async def _allocate(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.renew_s):
                    await self._changed.wait()
            self._changed.clear()
            if not self._is_heard or self._is_leaving:
                continue
            try:
                await self._take_silent_off()
                await self._claim_again()
                if self._clock() >= self._patient_until:
                    await self._take_free()
            except (Ambiguous, Refused, StreamGone) as error:
                await self._mend(error)
            self._give_up_one()

    async def _take_silent_off(self) -> None:
        for name in self._board.silent(self._echo_at - self._timing.expire_s):
            if name != self.name:
                seen = self._board.members.pop(name)
                self._log.warning("member_silent", member=name)
                with suppress(Conflict):  # it has spoken meanwhile, or somebody else was faster
                    await self._registry.delete(self._board.member_key(name), seen.revision)

    async def _take_free(self) -> None:
        now = self._clock()
        for key in sorted(self._waiting):
            if self._board.holder(key) not in (None, self.name):
                self._free_since.pop(key, None)
                continue
            # What nobody else takes is taken beyond the share.
            is_left = now - self._free_since.setdefault(key, now) > self._timing.expire_s
            if self._active < self._board.share((*self._waiting, *self._held)) or is_left:
                await self._take(key)

    async def _claim_again(self) -> None:
        for lease in tuple(self._held.values()):
            if lease.revision == 0 and not lease.lost.is_set():
                is_free = self._board.holder(lease.key) in (None, self.name)
                lease.revision = (await self._claim(lease.key) if is_free else None) or 0
                if lease.revision == 0:
                    self._lose(lease, "taken over")

    async def _take(self, key: str) -> None:
        revision = await self._claim(key)
        if revision is None:
            return
        lease = self._waiting.pop(key, None)
        if lease is None:  # nobody waits any more
            await self._delete(self._board.lease_key(key), revision)
            return
        self._log.info("lease_taken", key=key)
        self._free_since.pop(key, None)
        lease.revision = revision
        self._held[key] = lease
        lease.given.set()

    async def _claim(self, key: str) -> int | None:
        claim = Claim(holder=self.name, incarnation=self._incarnation)
        name, held = self._board.lease_key(key), self._board.claims.get(key)
        try:
            if held is not None:
                return await self._registry.update(name, claim, held.revision)
            return await self._registry.create(name, claim)
        except Conflict:
            if await self._registry.get(name) is None:
                # Of before the bucket went back: that it is gone would never be heard.
                self._board.claims.pop(key, None)
            return None

    def _give_up_one(self) -> None:
        share = self._board.share((*self._waiting, *self._held))
        if self._active > share and self._board.has_room(self.name, share):
            last = max(key for key, lease in self._held.items() if not lease.lost.is_set())
            self._lose(self._held[last], "another member has room")

    @property
    def _is_heard(self) -> bool:
        own = self._board.members.get(self.name)
        return self._revision is not None and own is not None and own.member.incarnation == self._incarnation

    def _is_silent(self, name: str) -> bool:
        seen = self._board.members.get(name)
        return seen is not None and self._clock() - seen.heard_at > self._timing.expire_s

    @property
    def _active(self) -> int:
        return sum(not lease.lost.is_set() for lease in self._held.values())

    def _lose(self, lease: Lease, why: str) -> None:
        if not lease.lost.is_set():
            self._log.info("lease_lost", key=lease.key, why=why)
            lease.lost.set()

    def _lose_everything(self, why: str) -> None:
        self._log.warning("lease_lost", keys=sorted(self._held), why=why)
        self._revision = None
        self._incarnation = uuid.uuid4().hex
        for lease in self._held.values():
            self._lose(lease, why)
            lease.revision = 0  # nothing of ours to take away

    async def _delete(self, key: str, revision: int) -> None:
        # What cannot be taken away now is free as soon as we are not heard any more.
        with suppress(BusError, TimeoutError):
            async with asyncio.timeout(RELEASE_WITHIN_S):
                await self._registry.delete(key, revision)

    async def _has_others(self) -> bool:
        if not self._is_leaving:
            self._is_leaving = True
            with suppress(BusError):
                if self._revision is not None:
                    await self._renew(self._revision)
        # Others that were told to end at the same moment are about to say so.
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_TOGETHER_S):
                while self._board.stays(besides=self.name):
                    self._spoken.clear()
                    await self._spoken.wait()
        return self._board.stays(besides=self.name)

    async def _mend(self, error: BusError) -> None:
        self._log.info("lease_waits", detail=error)
        await self._bus.wait_connected()
        if not isinstance(error, StreamGone | OffsetLost):
            await asyncio.sleep(self._timing.renew_s)
            return
        try:
            await provision(self._bus)
        except (Refused, TopologyDiffers) as failed:
            self._log.error("not_provisioned", detail=failed)
            await asyncio.sleep(self._timing.renew_s)
