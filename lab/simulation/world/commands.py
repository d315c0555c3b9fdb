"""A stream of operator commands: pauses, stops, flattenings, changed settings and checks, drawn from a seed."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from bus import Bus, BusError
from bus.commands import CommandIdInUse, results
from bus.runtime import monotonic_s, time_ns
from schemas.engine.control import Command, CommandName
from schemas.engine.journal import SymbolEntry
from schemas.units import SECOND_NS

LIFETIME_S = 60.0
"""Simulated seconds within which a command is answered: it is applied by then, or reported as expired."""
GRACE_S = 10.0
"""Further seconds for the answer to arrive."""
MEAN_INTERVAL_S = 60.0
SETTINGS: tuple[dict[str, str], ...] = ({"buy_window": "6"}, {"buy_window": "8"}, {"sell_window": "6"})
WEIGHTS: dict[CommandName, int] = {
    CommandName.PAUSE: 4,
    CommandName.RESUME: 4,
    CommandName.SET: 4,
    CommandName.RECONCILE: 3,
    CommandName.STOP: 2,
    CommandName.FLATTEN: 2,
}


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A command without an answer, and when it was sent and given up, in seconds of the operator's clock."""

    text: str
    sent_s: float
    given_up_s: float


class CommandStream:
    """Sends commands for random symbols. Run it on the operator's host."""

    def __init__(self, bus: Bus, entries: Sequence[SymbolEntry], seed: int) -> None:
        self.sent = 0
        self.answered = 0
        self.unanswered: list[Unanswered] = []
        self._bus = bus
        self._entries = entries
        self._random = random.Random(f"commands {seed}")
        self._waiting: dict[asyncio.Task[None], None] = {}

    async def run(self, duration_s: float, mean_interval_s: float = MEAN_INTERVAL_S) -> None:
        """Send commands for so long, then let every symbol quote again, and wait for the answers."""
        end = monotonic_s() + duration_s
        while (delay_s := self._random.uniform(0, 2 * mean_interval_s)) < end - monotonic_s():
            await asyncio.sleep(delay_s)
            name = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            self._send(self._random.choice(self._entries), name)
        await self._wait()
        for entry in self._entries:
            self._send(entry, CommandName.RESUME)
        await self._wait()

    def problems(
        self, may_be_unanswered: Callable[[float, float], bool] = lambda sent, given_up: False
    ) -> list[str]:
        """Return the unanswered commands, but for those that a fault explains.

        `may_be_unanswered` gets the seconds when a command was sent and given up.
        """
        return [each.text for each in self.unanswered if not may_be_unanswered(each.sent_s, each.given_up_s)]

    def _send(self, entry: SymbolEntry, name: CommandName) -> None:
        now = time_ns()
        command = Command(
            venue=entry.venue,
            symbol=entry.symbol,
            command_id=f"{self._random.getrandbits(64):016x}",
            name=name,
            operator="simulation",
            reason="simulation",
            time=now,
            expires_time=now + int(LIFETIME_S * SECOND_NS),
            changes=self._random.choice(SETTINGS) if name is CommandName.SET else {},
        )
        self.sent += 1
        task = asyncio.create_task(self._follow(command), name=f"command:{command.command_id}")
        self._waiting[task] = None
        task.add_done_callback(lambda done: self._waiting.pop(done, None))

    async def _follow(self, command: Command) -> None:
        sent_s, reason = monotonic_s(), "its time has passed"
        try:
            async with (
                asyncio.timeout(LIFETIME_S + GRACE_S),
                aclosing(results(self._bus, command)) as answers,
            ):
                async for _ in answers:  # the first one is enough: a flattening may take long
                    self.answered += 1
                    return
        except TimeoutError:
            pass
        except (BusError, CommandIdInUse) as error:
            reason = repr(error)
        text = f"{command.name} {command.symbol} ({command.command_id}) was not answered: {reason}"
        self.unanswered.append(Unanswered(text, sent_s, monotonic_s()))

    async def _wait(self) -> None:
        while self._waiting:
            await asyncio.wait(list(self._waiting))
