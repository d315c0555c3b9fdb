"""What is known of a market beside its data: whether it is traded, fed, blocked, recorded, and can be shown."""

from collections.abc import Sequence
from enum import Enum, auto

import msgspec

from bus.parts.view import Blocked
from liveserver.protocol.server_messages import StatusData
from liveserver.view.rendering import MarketLabel
from schemas.venue.market import FeedChanged, FeedState, Recording


class Listing(Enum):
    """Whether a market is traded, by the bucket `symbols`."""

    UNKNOWN = auto()
    """The bucket has never had it: it is watched only, or it was not read yet."""
    TRADED = auto()
    WATCHED = auto()
    """It is not traded, but a traded symbol monitors it."""
    REMOVED = auto()
    """It was removed a moment ago: still listed, so that viewers can see it go."""
    GONE = auto()
    """It was removed, and is not listed."""


class MarketStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a market."""

    listing: Listing = Listing.UNKNOWN
    feed: FeedChanged | None = None
    blocked: Blocked | None = None
    """Why the market cannot be quoted, whatever its grid says."""
    recording: Recording | None = None
    """The recording that the venue replays."""
    problem: str = ""
    """Why the grid cannot be shown: it needs a newer live server."""

    @property
    def feed_state(self) -> str:
        """The state of the market feed; `down` for a removed symbol."""
        if self.is_removed:
            return FeedState.DOWN
        return self.feed.state if self.feed else "unknown"

    @property
    def is_removed(self) -> bool:
        return self.listing in {Listing.REMOVED, Listing.GONE}

    def data(self, label: MarketLabel, interval: str, intervals: Sequence[str]) -> StatusData:
        """Render the status for the viewers of one interval."""
        reason = "the symbol is not traded any more" if self.is_removed else ""
        blocked, recording = self.blocked, self.recording
        return StatusData(
            **label._asdict(),
            feed=self.feed_state,
            feed_reason=reason or (self.feed.reason if self.feed else ""),
            interval=interval,
            intervals=tuple(intervals),
            problem=self.problem,
            blocked=blocked.reason if blocked else None,
            blocked_text=blocked.detail if blocked else "",
            blocked_remedy=blocked.remedy if blocked else "",
            recording=recording.name if recording else "",
            recording_speed=recording.speed if recording else None,
        )
