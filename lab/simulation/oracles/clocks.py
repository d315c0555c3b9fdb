"""Watches the clocks of the hosts: a part whose clock is wrong gives its leases up."""

import asyncio

import msgspec

from bus.coordination.membership import Claim, Member
from bus.streams.registry import OPERATION_HEADER
from lab.simulation.world.world import World

MAX_APART_S = 10.0
WITHIN_S = 15.0
"""Simulated seconds for a part to notice that its clock is wrong, and to end its work."""
POLL_S = 1.0
MAX_PROBLEMS = 5
_PREFIX = "$KV.lease."


class ClockWatch:
    """Looks at clocks and leases once a second. Run it on the operator's host.

    It holds when nothing keeps a part from reading the clock of the venue or the bus, and from giving its leases up.
    """

    def __init__(self, world: World) -> None:
        self.problems: list[str] = []
        self._world = world
        self._wrong_since: dict[tuple[str, int], float] = {}
        """By part and number of its restarts."""

    async def run(self) -> None:
        """Watch, for ever."""
        while True:
            await asyncio.sleep(POLL_S)
            now = self._world.loop.true_time()
            for name, part in self._world.parts.items():
                run, process = (name, part.restarts), part.host.process
                apart_s = part.host.clock_error_ns / 1e9
                if abs(apart_s) <= MAX_APART_S or process.is_paused:
                    self._wrong_since.pop(run, None)
                elif now - self._wrong_since.setdefault(run, now) > WITHIN_S * self._world.settings.pace:
                    self._check(name, now - self._wrong_since[run])

    def _check(self, name: str, since_s: float) -> None:
        held = [key for key, holder in self.holders().items() if holder == name]
        if held and len(self.problems) < MAX_PROBLEMS:
            text = f"{name} holds {held[0]} with a clock that has been wrong for {since_s:.0f} s"
            self.problems.append(text)

    def holders(self) -> dict[str, str]:
        """Return the holders of the claims that are valid."""
        stream = self._world.model.streams.get("KV_lease")
        if stream is None:
            return {}
        found: dict[str, Claim] = {}
        members: dict[str, str] = {}
        for subject in stream.store.subjects:
            stored = stream.store.load_last(subject)
            key = subject.removeprefix(_PREFIX)
            if stored is None or not stored.data or OPERATION_HEADER.encode() in stored.headers:
                continue
            if key.startswith("member."):
                members[key.rpartition(".")[2]] = msgspec.json.decode(stored.data, type=Member).incarnation
            else:
                found[key] = msgspec.json.decode(stored.data, type=Claim)
        return {
            key: claim.holder
            for key, claim in found.items()
            if members.get(claim.holder) == claim.incarnation
        }
