"""The leases of one process of a group, which shares the keys of the group fairly. See `lease_group`.

Each process of a group is a member: it renews its own entry by compare-and-set. A key is held by the member that its
claim names, while that member's entry exists. No clocks are compared between hosts: a member whose entry was not renewed
for a while, by the local clock, is removed by compare-and-set, and its keys are free. If it was only paused, its next
renewal fails: it then drops all its leases, stops their work, and joins again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Never

from bus.attention import Attention
from bus.client.connection import Bus
from bus.client.message import Received
from bus.coordination.claims import RELEASE_TIMEOUT_S, claim, delete_claim
from bus.coordination.entry_times import EntryTimes
from bus.coordination.lease import Lease, Timing, Work
from bus.coordination.membership import Claim, Member, Membership, incarnation_of
from bus.errors import Ambiguous, BusError, Conflict, OffsetLost, Rejected, StreamGone, TopologyDiffers
from bus.log import Logger
from bus.marks import reached
from bus.runtime import background_s, monotonic_s, new_id, time_ns
from bus.service.lifecycle import forever
from bus.streams.provision import provision
from bus.streams.reader import read
from bus.streams.registry import DELETIONS, OPERATION_HEADER, Registry
from bus.streams.start import LastPerSubject

BUCKET = "lease"
LEAVE_TOGETHER_S = 0.5
"""How long a leaving member waits for other members to announce that they leave as well."""


class Leases:
    """The LeaseProvider of a group whose members share keys fairly. Created by `lease_group.leases`."""

    def __init__(self, bus: Bus, group: str, name: str, timing: Timing, log: Logger) -> None:
        self.name = name
        self._bus = bus
        self._registry = Registry(bus, BUCKET)
        self._timing = Timing(*map(background_s, timing))
        self._log = log.bind(group=group, name=name)
        self._clock_s = monotonic_s
        self._attention = Attention()
        self._membership = Membership(group)
        self._incarnation = new_id()
        self._revision: int | None = None  # of our own entry; None while this process is not a member
        self._has_joined = self._is_leaving = self._is_withdrawn = False
        self._created = ""  # creation time of the bucket
        # When our own latest renewal came back. The silence of others is measured up to then: we may receive nothing.
        self._own_entry_seen_at_s = 0.0
        self.entry_times = EntryTimes()
        """Of the renewals: readings of the bus's clock."""
        self._waiting: dict[str, Lease] = {}
        self._held: dict[str, Lease] = {}
        self._no_claims_until_s = 0.0
        self._free_since_s: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._entry_received = asyncio.Event()

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[Lease]:
        assert key not in self._waiting, f"{key} is waited for already"
        assert key not in self._held, f"{key} is held already"
        lease = self._waiting[key] = Lease(key, self._has_remaining_members)
        self._changed.set()
        try:
            await lease.granted.wait()
            yield lease
        finally:
            self._waiting.pop(key, None)
            if self._held.pop(key, None) is not None and lease.revision:
                await delete_claim(self._registry, self._membership, key, lease.revision)

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
        return self._membership.holder(key)

    def members(self) -> list[str]:
        return sorted(self._membership.members)

    def withdraw(self, reason: str) -> None:
        """Give up all leases, and claim none until `rejoin`."""
        self._is_withdrawn = True
        for lease in self._held.values():
            self._lose(lease, reason)
        self._changed.set()

    def rejoin(self) -> None:
        """Claim leases again."""
        self._is_withdrawn = False
        self._changed.set()

    async def run(self) -> Never:
        """Follow the bucket, renew the membership, claim free keys, and release keys beyond the fair share; for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("attention", self._attention.run()), name="attention")
            tasks.create_task(forever("leases", self._follow_bucket()), name="leases")
            tasks.create_task(forever("membership", self._keep_membership()), name="membership")
            tasks.create_task(forever("allocation", self._allocate()), name="allocation")
        raise AssertionError("its tasks run for ever")

    async def leave(self) -> None:
        """Try to delete the entry of this process, for `RELEASE_TIMEOUT_S`; otherwise it expires."""
        key = self._membership.member_key(self.name)
        with suppress(BusError, TimeoutError):
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                stored = await self._registry.get(key)
                if stored is not None and incarnation_of(stored.data) == self._incarnation:
                    await self._registry.delete(key, stored.revision)

    async def _follow_bucket(self) -> None:
        while True:
            try:
                created = await self._bus.stream_created(f"KV_{BUCKET}")
                self._set_created(created)
                reading = read(self._bus, f"KV_{BUCKET}", (f"$KV.{BUCKET}.>",), LastPerSubject())
                async with aclosing(reading) as batches:
                    async for batch in batches:
                        has_changed = [self._apply(each) for each in batch.messages]
                        if not has_changed or any(has_changed):
                            self._changed.set()
            except (OffsetLost, StreamGone, Rejected, Ambiguous) as error:
                self._membership.clear()
                await self._recover(error)

    def _set_created(self, created: str) -> None:
        if self._created not in ("", created):
            # The bucket was recreated. Claim our own keys again, and give the others time to claim theirs.
            self._membership.clear()
            self._revision = None
            self._no_claims_until_s = self._clock_s() + self._timing.expire_s
            for lease in self._held.values():
                lease.revision = 0
        self._created = created

    def _apply(self, message: Received) -> bool:
        """Apply an entry of the bucket; return whether it is one of this group."""
        bucket_key = message.subject.removeprefix(f"$KV.{BUCKET}.")
        data = None if message.headers.get(OPERATION_HEADER) in DELETIONS else message.data
        now_s = self._clock_s()
        if not self._membership.apply(bucket_key, data, message.sequence, now_s):
            return False
        self._entry_received.set()
        if bucket_key == self._membership.member_key(self.name):
            own = self._membership.members.get(self.name)
            if own is not None and own.member.incarnation == self._incarnation:
                self._own_entry_seen_at_s = now_s
                self.entry_times.on_entry(message.sequence, message.time_ns)
            elif self._revision is not None and message.sequence > self._revision:
                self._lose_all("removed from the group")
        for lease in tuple(self._held.values()):
            if bucket_key == self._membership.claim_key(lease.key) and message.sequence > lease.revision:
                seen = self._membership.claims.get(lease.key)
                if seen is None or seen.claim is None or seen.claim.incarnation != self._incarnation:
                    reached("lease_taken_over")
                    self._lose(lease, "taken over")
        return True

    async def _keep_membership(self) -> None:
        while True:
            try:
                await (self._join() if self._revision is None else self._renew(self._revision))
            except (Ambiguous, Rejected, StreamGone) as error:
                await self._recover(error)
            await asyncio.sleep(self._timing.renew_s)

    async def _join(self) -> None:
        key, sent = self._membership.member_key(self.name), time_ns()
        stored = await self._registry.get(key)
        was_paused = (
            self._attention.since_pause_s() <= self._timing.expire_s
        )  # its renewals may still be unread
        is_silent = self.name in self._members_silent_at(self._clock_s())
        if stored is not None and self._has_joined and (was_paused or not is_silent):
            return  # a later process uses our name
        if stored is None:
            revision = await self._registry.create(key, self._own_entry())
        else:
            revision = await self._registry.update(key, self._own_entry(), stored.revision)
        if revision is not None:
            self._revision, self._has_joined = revision, True
            self.entry_times.on_answer(revision, sent, time_ns())
            self._changed.set()

    async def _renew(self, revision: int) -> None:
        key, sent = self._membership.member_key(self.name), time_ns()
        try:
            self._revision = await self._registry.update(key, self._own_entry(), revision)
            self.entry_times.on_answer(self._revision, sent, time_ns())
        except (Conflict, Ambiguous):
            stored = await self._registry.get(key)
            if stored is not None and incarnation_of(stored.data) == self._incarnation:
                self._revision = stored.revision
                return
            self._set_created(await self._bus.stream_created(f"KV_{BUCKET}"))
            if self._revision is not None:
                self._lose_all("removed from the group")

    def _own_entry(self) -> Member:
        waiting = 0 if self._is_withdrawn else len(self._waiting)
        return Member(incarnation=self._incarnation, waiting=waiting, leaving=self._is_leaving)

    async def _allocate(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.renew_s):
                    await self._changed.wait()
            self._changed.clear()
            if not self._is_member or self._is_leaving:
                continue
            try:
                await self._remove_silent()
                await self._reclaim()
                if self._clock_s() >= self._no_claims_until_s and not self._is_withdrawn:
                    await self._claim_free()
            except (Ambiguous, Rejected, StreamGone) as error:
                await self._recover(error)
            self._release_one_excess()

    async def _remove_silent(self) -> None:
        for name in self._members_silent_at(self._own_entry_seen_at_s):
            if name != self.name:
                seen = self._membership.members.pop(name)
                reached("member_expired")
                self._log.warning("member_expired", member=name)
                with suppress(Conflict):  # it was renewed meanwhile, or already removed by another member
                    await self._registry.delete(self._membership.member_key(name), seen.revision)

    async def _claim_free(self) -> None:
        now_s = self._clock_s()
        for key in sorted(self._waiting):
            if self._membership.holder(key) not in (None, self.name):
                self._free_since_s.pop(key, None)
                continue
            # A key that stays free for `expire_s` is taken even beyond our share.
            is_unclaimed = now_s - self._free_since_s.setdefault(key, now_s) > self._timing.expire_s
            if self._held_count < self._fair_share or is_unclaimed:
                await self._take(key)

    async def _reclaim(self) -> None:
        for lease in tuple(self._held.values()):
            if lease.revision == 0 and not lease.lost.is_set():
                is_free = self._membership.holder(lease.key) in (None, self.name)
                lease.revision = (await self._claim(lease.key) if is_free else None) or 0
                if lease.revision == 0:
                    self._lose(lease, "taken over")

    async def _take(self, key: str) -> None:
        revision = await self._claim(key)
        if revision is None:
            return
        lease = self._waiting.pop(key, None)
        if lease is None:  # no longer wanted
            await delete_claim(self._registry, self._membership, key, revision)
            return
        self._log.info("lease_taken", key=key)
        self._free_since_s.pop(key, None)
        lease.revision = revision
        self._held[key] = lease
        lease.granted.set()

    async def _claim(self, key: str) -> int | None:
        entry = Claim(holder=self.name, incarnation=self._incarnation)
        return await claim(self._registry, self._membership, key, entry)

    def _release_one_excess(self) -> None:
        fair_share = self._fair_share
        is_wanted = self._membership.another_member_can_take_more(self.name, fair_share)
        if self._held_count > fair_share and is_wanted:
            last = max(key for key, lease in self._held.items() if not lease.lost.is_set())
            self._lose(self._held[last], "another member has room")

    @property
    def _is_member(self) -> bool:
        own = self._membership.members.get(self.name)
        return self._revision is not None and own is not None and own.member.incarnation == self._incarnation

    def _members_silent_at(self, time_s: float) -> list[str]:
        return self._membership.members_not_seen_since(time_s - self._timing.expire_s)

    @property
    def _held_count(self) -> int:
        return sum(not lease.lost.is_set() for lease in self._held.values())

    @property
    def _fair_share(self) -> int:
        return self._membership.fair_share((*self._waiting, *self._held))

    def _lose(self, lease: Lease, reason: str) -> None:
        if not lease.lost.is_set():
            self._log.info("lease_lost", key=lease.key, why=reason)
            lease.lost.set()

    def _lose_all(self, reason: str) -> None:
        reached("member_removed")
        self._log.warning("lease_lost", keys=sorted(self._held), why=reason)
        self._revision = None
        self._incarnation = new_id()
        for lease in self._held.values():
            self._lose(lease, reason)
            lease.revision = 0  # no claim of ours to delete

    async def _has_remaining_members(self) -> bool:
        if not self._is_leaving:
            self._is_leaving = True
            with suppress(BusError):
                if self._revision is not None:
                    await self._renew(self._revision)
        # Other processes that are stopped at the same moment announce it shortly.
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_TOGETHER_S):
                while self._membership.has_other_active_member(self.name):
                    self._entry_received.clear()
                    await self._entry_received.wait()
        return self._membership.has_other_active_member(self.name)

    async def _recover(self, error: BusError) -> None:
        self._log.info("lease_retry", detail=error)
        await self._bus.wait_connected()
        if not isinstance(error, StreamGone | OffsetLost):
            await asyncio.sleep(self._timing.renew_s)
            return
        try:
            await provision(self._bus)
        except (Rejected, TopologyDiffers) as failed:
            self._log.error("provision_failed", detail=failed)
            await asyncio.sleep(self._timing.renew_s)
