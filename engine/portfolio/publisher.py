"""Publish committed portfolio steps: notices, commands, registry entries, and the limits."""

import asyncio
from contextlib import aclosing

from bus import Bus, BusError, Conflict, Logger, Registry
from engine.actor.publisher import notice_id, notice_subject
from engine.journaled_actor import stored_steps
from engine.portfolio.inputs import last_generation
from schemas import subjects
from schemas.codec import encode
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioLimits
from schemas.engine.portfolio_journal import PortfolioStep

LIMITS_INTERVAL_S = 1.0
"""Minimum seconds between two publications of the limits without a new step."""


class PortfolioPublisher:
    """Publishes the steps of the portfolio, only after they were committed."""

    def __init__(self, bus: Bus, log: Logger, published_through: int) -> None:
        self._bus = bus
        self._log = log
        self._step_subject = subjects.portfolio_step()
        self._limits = b""
        self._limits_sequence = 0
        self._limits_published_at_s = 0.0
        self.published_through = published_through
        """The JOURNAL sequence of the last step that is completely published."""

    async def publish(self, step: PortfolioStep, sequence: int) -> None:
        """Publish everything that follows from a step, at least once; message ids drop repetitions within two minutes.

        Raises: BusError: the actor ends, and its successor republishes.
        """
        for index, notice in enumerate(step.notices):
            subject = notice_subject(notice)
            message_id = notice_id(notice, f"{subject}._all.{step.step}.{index}")
            await self._bus.store(subject, notice, message_id=message_id)
        for command in step.commands:
            subject = subjects.command(command.venue, command.symbol, command.name)
            await self._bus.store(subject, command, message_id=command.command_id)
        for entry in step.entries:
            await self._register(entry)
        self.published_through = sequence

    async def republish(self, last_sequence: int) -> None:
        """Publish every step after `published_through` up to `last_sequence`."""
        await self.publish_stored(self._step_subject, self.published_through, last_sequence)

    async def publish_stored(self, subject: str, after: int, through: int) -> None:
        """Publish the steps of a journal, of the sequences above `after` up to `through`."""
        steps = stored_steps(self._bus, subject, PortfolioStep, self._log, after=after, through=through)
        async with aclosing(steps):
            async for step, sequence in steps:
                await self.publish(step, sequence)

    async def publish_limits(self, limits: PortfolioLimits, sequence: int) -> None:
        """Publish the limits, unless they are unchanged, too frequent, or `sequence` is not that of the newest step."""
        now_s = asyncio.get_running_loop().time()
        body = encode(limits)
        is_new_step = sequence != self._limits_sequence
        if body == self._limits or (
            not is_new_step and now_s < self._limits_published_at_s + LIMITS_INTERVAL_S
        ):
            return
        try:
            await self._bus.store(
                subjects.limits(), limits, expect_last=sequence, expect_subject=self._step_subject
            )
            self._limits, self._limits_sequence, self._limits_published_at_s = body, sequence, now_s
        except Conflict:
            pass  # a newer step is in the journal; its writer publishes its limits
        except BusError as error:
            self._log.warning("limits_not_published", detail=str(error))

    async def _register(self, entry: SymbolEntry) -> None:
        # When republished after a crash, the entry may have been created, and removed, meanwhile.
        if await last_generation(self._bus, entry.venue, entry.symbol) >= entry.generation:
            return
        key = subjects.registry_key(entry.venue, entry.symbol)
        if await Registry(self._bus, "symbols").create(key, entry) is None:
            self._log.info("symbol_already_registered", symbol=entry.symbol)
