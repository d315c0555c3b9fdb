"""Viewer states: allowed transitions only, and progress for a resume only."""

import pytest

from liveserver.hub.group import SubscriberGroup
from liveserver.hub.resume import ResumeProgress
from liveserver.hub.viewers import ViewerRecord, ViewerState
from liveserver.protocol.encoding import Encoding
from tests.liveserver.hub.fixture import RecordingViewer


def new_record() -> ViewerRecord:
    return ViewerRecord(RecordingViewer(), [], SubscriberGroup(frozenset(), Encoding.V2))


@pytest.mark.parametrize("state", ViewerState)
def test_no_state_follows_gone(state: ViewerState) -> None:
    record = new_record()
    record.enter(ViewerState.GONE)

    with pytest.raises(AssertionError):
        record.enter(state, ResumeProgress({}) if state is ViewerState.RESUMING else None)


def test_replay_does_not_become_live_without_waiting_for_a_snapshot() -> None:
    record = new_record()
    record.enter(ViewerState.REPLAYING)

    with pytest.raises(AssertionError):
        record.enter(ViewerState.LIVE)


def test_progress_is_kept_while_resuming_only() -> None:
    record, progress = new_record(), ResumeProgress({})
    record.enter(ViewerState.RESUMING, progress)
    assert record.resume is progress

    record.enter(ViewerState.LIVE)

    assert record.resume is None
