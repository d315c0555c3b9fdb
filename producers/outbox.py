"""Storing what must not be lost: tried again until the bus has it, told apart from repeats by its message id."""

import asyncio

import msgspec

from bus import Ambiguous, Bus, Logger, NoSpace, StreamGone, provision

RETRY_S = 0.5
GONE_S = 0.05


class Outbox:
    """Stores events in the order they come, at least once each; the message id makes it once."""

    def __init__(self, bus: Bus, log: Logger) -> None:
        self._bus = bus
        self._log = log
        self._is_full = False

    async def store(self, subject: str, event: msgspec.Struct, message_id: str | None = None) -> int:
        """Store an event, however long it takes, and return its stream sequence.

        Without a message id it may be stored twice when an acknowledgement was lost: right for levels only.
        """
        while True:
            try:
                sequence = await self._bus.store(subject, event, message_id=message_id)
            except Ambiguous:
                await self._bus.wait_connected()
            except StreamGone:
                self._log.warning("stream_gone", subject=subject)
                await provision(self._bus)
                # In a cluster it may also be that nobody leads it for a moment.
                await asyncio.sleep(GONE_S)
            except NoSpace as error:
                self._say_full(error)
                await asyncio.sleep(RETRY_S)
            else:
                self._is_full = False
                return sequence

    def _say_full(self, error: NoSpace) -> None:
        if not self._is_full:
            self._log.error("bus_full", detail=str(error), do="free disk space; storing resumes by itself")
        self._is_full = True
