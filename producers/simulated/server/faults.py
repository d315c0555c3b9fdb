"""Which request or delivery goes wrong, decided from a seed: the same numbers always meet the same fate."""

from collections import deque
from enum import Enum
from typing import NamedTuple

from producers.simulated.market.tape import chance
from producers.simulated.settings import FaultSettings
from schemas.units import DurationNs
from schemas.venue.orders import RejectReason


class Rejection(Enum):
    """What a request is answered that is not carried out."""

    RATE_LIMITED = 429
    OVERLOADED = 503


class RequestFate(NamedTuple):
    """What happens to one private request."""

    rejection: Rejection | None = None
    delay: DurationNs = 0
    """It arrives that much later."""
    answer_is_lost: bool = False


class Delivery(NamedTuple):
    """What happens to one private event on its way."""

    copies: int = 1
    is_late: bool = False
    is_reordered: bool = False
    cuts: bool = False
    """The streams are cut instead."""


class Faults:
    """The faults in force; they can be changed while the venue runs."""

    def __init__(self, settings: FaultSettings, start: int) -> None:
        self.settings = settings
        self._start = start
        self._requests = 0
        self._refusals: deque[RejectReason] = deque()
        self._to_be_limited = 0

    def refuse_next(self, count: int, reason: RejectReason) -> None:
        """Let the next orders be refused; for RATE_LIMITED the next private requests of any kind."""
        if reason is RejectReason.RATE_LIMITED:
            self._to_be_limited += count
        else:
            self._refusals.extend([reason] * count)

    def refusal(self) -> RejectReason | None:
        """Return why the order that was just asked for is to be refused, None when it is not."""
        return self._refusals.popleft() if self._refusals else None

    def request(self, *, acts: bool) -> RequestFate:
        """Return the fate of the next private request; only one that acts can be late or lose its answer."""
        self._requests += 1
        if self._to_be_limited:
            self._to_be_limited -= 1
            return RequestFate(rejection=Rejection.RATE_LIMITED)
        # Each start of the process meets others, or a retry after a restart would fail for ever.
        draw = chance(self.settings.seed, "request", self._start, self._requests)
        rolls = [draw.random() for _ in range(5)]
        faults = self.settings
        if rolls[0] < faults.rate_limited:
            return RequestFate(rejection=Rejection.RATE_LIMITED)
        if rolls[1] < faults.overloaded:
            return RequestFate(rejection=Rejection.OVERLOADED)
        is_late = acts and rolls[2] < faults.request_late
        return RequestFate(
            delay=faults.latency * acts + int(faults.request_delay * (0.5 + rolls[3] / 2)) * is_late,
            answer_is_lost=acts and rolls[4] < faults.answer_lost,
        )

    def delivery(self, sequence: int) -> Delivery:
        """Return the fate of a private event."""
        faults = self.settings
        if not (
            faults.lost or faults.doubled or faults.late or faults.reordered or faults.disconnect_account
        ):
            return Delivery()
        draw = chance(faults.seed, "event", sequence)
        rolls = [draw.random() for _ in range(5)]
        return Delivery(
            copies=0 if rolls[0] < faults.lost else 2 if rolls[1] < faults.doubled else 1,
            is_late=rolls[2] < faults.late,
            is_reordered=rolls[3] < faults.reordered,
            cuts=rolls[4] < faults.disconnect_account,
        )

    def cuts_market(self, tick: int) -> bool:
        """Tell whether a tick cuts the market streams."""
        probability = self.settings.disconnect_market
        return probability > 0 and chance(self.settings.seed, "market", tick).random() < probability
