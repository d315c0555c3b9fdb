"""Saying what a portfolio committed: notices, a command to each symbol, entries of the roster, and the limits as a level."""

import asyncio
from contextlib import aclosing

from bus import Bus, BusError, Conflict, FromSequence, Logger, Registry, read
from engine.actor.copies import subject_of
from engine.portfolio.inputs import last_generation
from schemas import subjects
from schemas.codec import UndecodableError, decode_as, encode
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioLimits
from schemas.engine.portfolio_journal import PortfolioStep
from schemas.subjects import Stream
from schemas.units import VenueId

SHOW_EVERY_S = 1.0
"""The exposure is told anew no more often than this while nothing is decided."""


class PortfolioPublisher:
    """Publishes for one venue's portfolio, behind its journal and never before it."""

    def __init__(self, bus: Bus, venue: VenueId, log: Logger) -> None:
        self._bus = bus
        self._venue = venue
        self._log = log
        self._shown = b""
        self._shown_sequence = 0
        self._shown_at = 0.0
        self.through = 0
        """The JOURNAL sequence of the last step of which everything is said."""

    async def say(self, step: PortfolioStep, sequence: int) -> None:
        """Publish all that a step says, each once however often it has to be tried.

        Raises: BusError: the actor ends, and says it again at its next start.
        """
        for index, notice in enumerate(step.notices):
            subject = subject_of(notice)
            await self._bus.store(subject, notice, message_id=f"{subject}._all.{step.step}.{index}")
        for command in step.commands:
            subject = subjects.command(command.venue, command.symbol, command.name)
            await self._bus.store(subject, command, message_id=command.command_id)
        for entry in step.entries:
            await self._enter(entry)
        self.through = sequence

    async def say_again(self, step_subject: str, last_sequence: int) -> None:
        """Publish what every step after `through` up to `last_sequence` says."""
        if last_sequence <= self.through:
            return
        steps = read(self._bus, Stream.JOURNAL, (step_subject,), FromSequence(self.through + 1))
        async with aclosing(steps) as batches:
            async for batch in batches:
                for message in batch.messages:
                    if message.sequence > last_sequence:
                        return
                    try:
                        await self.say(decode_as(message.data, PortfolioStep), message.sequence)
                    except UndecodableError as error:
                        self._log.error("undecodable", subject=message.subject, detail=str(error))
                if batch.caught_up:
                    return

    async def show(self, limits: PortfolioLimits, sequence: int, step_subject: str) -> None:
        """Publish the limits as they are after a step, unless they were just published or the step is not the newest."""
        now = asyncio.get_running_loop().time()
        body = encode(limits)
        is_news = sequence != self._shown_sequence
        if body == self._shown or (not is_news and now < self._shown_at + SHOW_EVERY_S):
            return
        try:
            await self._bus.store(
                subjects.limits(self._venue), limits, expect_last=sequence, expect_subject=step_subject
            )
            self._shown, self._shown_sequence, self._shown_at = body, sequence, now
        except Conflict:
            pass  # a newer step is in the journal; its limits follow, from whoever wrote it
        except BusError as error:
            self._log.warning("limits_not_published", detail=str(error))

    async def _enter(self, entry: SymbolEntry) -> None:
        # Said again after a crash it may have been entered, and taken off the roster, since.
        if await last_generation(self._bus, entry.venue, entry.symbol) >= entry.generation:
            return
        key = subjects.registry_key(entry.venue, entry.symbol)
        if await Registry(self._bus, "symbols").create(key, entry) is None:
            self._log.info("on_the_roster_already", symbol=entry.symbol)
