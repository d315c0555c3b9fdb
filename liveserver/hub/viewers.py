"""The state of each connected viewer.

"Broadcasts" are messages to all viewers, such as `server`. The view is the projection of the bus events.

    state      entered when                                           the viewer receives
    WAITING    it joins, is reset, or the view changes                broadcasts
    LIVE       the view has channels for its topics                   a snapshot or the last missed events,
                                                                      then broadcasts and the messages of its group
    RESUMING   it brings cursors, or the view changes (opensqt.v2)    broadcasts, and missed events in batches
    REPLAYING  its replay starts                                      broadcasts, and the messages of the replay
    GONE       it leaves, or does not accept a frame                  nothing

Only a LIVE viewer is in a group with channels; the others are in the group without channels.
"""

from collections.abc import Sequence
from enum import Enum, auto

from liveserver.hub.group import SubscriberGroup, Viewer
from liveserver.hub.resume import ResumeProgress
from liveserver.protocol.client_messages import RequestedTopic
from liveserver.protocol.encoding import Encoding


class ViewerState(Enum):
    """The state of a viewer; the table above says what it receives in each."""

    WAITING = auto()
    LIVE = auto()
    RESUMING = auto()
    REPLAYING = auto()
    GONE = auto()


_TRANSITIONS: dict[ViewerState, frozenset[ViewerState]] = {
    ViewerState.WAITING: frozenset(
        {ViewerState.LIVE, ViewerState.RESUMING, ViewerState.REPLAYING, ViewerState.GONE}
    ),
    # LIVE to LIVE: the channels change.
    ViewerState.LIVE: frozenset(ViewerState),
    # RESUMING to RESUMING: it resumes again, from other cursors.
    ViewerState.RESUMING: frozenset(ViewerState),
    # A replay ends in a snapshot, or in a resume.
    ViewerState.REPLAYING: frozenset(
        {ViewerState.WAITING, ViewerState.RESUMING, ViewerState.REPLAYING, ViewerState.GONE}
    ),
    ViewerState.GONE: frozenset(),
}


class ViewerRecord:
    """One connected viewer."""

    def __init__(self, viewer: Viewer, topics: Sequence[RequestedTopic], group: SubscriberGroup) -> None:
        self.viewer = viewer
        self.topics = topics
        self.group = group
        self.state = ViewerState.WAITING
        self.resume: ResumeProgress | None = None
        """Set while the state is RESUMING."""
        self.is_backfilling = False
        """Whether a background task continues the resume."""

    @property
    def encoding(self) -> Encoding:
        return self.group.encoding

    @property
    def is_gone(self) -> bool:
        return self.state is ViewerState.GONE

    def enter(self, state: ViewerState, resume: ResumeProgress | None = None) -> None:
        """Change the state; `resume` is the progress of a RESUMING viewer."""
        assert state in _TRANSITIONS[self.state], f"no transition from {self.state.name} to {state.name}"
        assert (resume is not None) == (state is ViewerState.RESUMING), "only a resume has progress"
        self.state = state
        self.resume = resume
