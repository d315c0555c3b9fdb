"""`verify --viewers` finds missing, duplicate and reordered events; live servers pass it."""

from pathlib import Path

import msgspec
import pytest

from lab.chaos.load import markets
from lab.chaos.viewer_clients import Viewer, ViewerPool
from lab.chaos.viewers import ViewerTestSettings, run_viewer_test, violations

ONE, OTHER = markets(2)
STORED = {"ORDERS": [(3, ONE.token), (4, OTHER.token), (5, ONE.token), (8, ONE.token)]}


def cursors_message(kind: str, sequence: int, **more: str) -> bytes:
    cursors = {"ORDERS": {"created": "once", "sequence": sequence}}
    return msgspec.json.encode({"type": kind, "data": {"streams": cursors, **more}})


def event_message(sequence: int, data: str = "") -> bytes:
    return msgspec.json.encode({"type": "orders", "data": data, "seq": f"ORDERS:{sequence}"})


def viewer_with(*sequences: int, snapshot_sequence: int = 3) -> Viewer:
    viewer = Viewer("viewer", [ONE])
    viewer.receive(cursors_message("snapshot", snapshot_sequence, reason="first"))
    for sequence in sequences:
        viewer.receive(event_message(sequence))
    return viewer


def test_every_event_after_the_snapshot_received_once_holds() -> None:
    assert violations([viewer_with(5, 8)], STORED) == []


@pytest.mark.parametrize(
    ("received", "difference"),
    [
        ((5,), "missing 8"),
        ((5, 5, 8), "duplicate 5"),
        ((8, 5), "out of order"),
        ((4, 5, 8), "unexpected 4"),
    ],
)
def test_a_violation_names_the_difference(received: tuple[int, ...], difference: str) -> None:
    assert violations([viewer_with(*received)], STORED) == [f"viewer: ORDERS: {difference}"]


def test_a_second_snapshot_instead_of_a_resumption_is_found() -> None:
    viewer = viewer_with(5, 8)
    viewer.receive(cursors_message("snapshot", 8, reason="too_old"))

    assert violations([viewer], STORED) == ["viewer: snapshots received: first, too_old; expected: first"]


def test_a_viewer_resumes_from_its_cursor() -> None:
    viewer = viewer_with(5)

    assert viewer.query.endswith("resume=ORDERS%3A5%3Aonce")
    viewer.receive(cursors_message("streams", 7))
    assert viewer.query.endswith("resume=ORDERS%3A7%3Aonce")


def test_different_contents_of_one_event_are_found() -> None:
    pool = ViewerPool(["127.0.0.1:1"], seed=1)
    for viewer, data in ((viewer_with(), "a"), (viewer_with(), "b")):
        event = viewer.receive(event_message(5, data))
        assert event is not None
        pool.compare(viewer, *event)

    assert len(pool.differences) == 1


@pytest.mark.long
@pytest.mark.parametrize("kills_bus", [False, True])
async def test_no_viewer_misses_an_event_while_live_servers_are_killed(
    tmp_path: Path, kills_bus: bool
) -> None:
    settings = ViewerTestSettings(
        viewers=40, replicas=2, seconds=7, every_s=1.5, kills_bus=kills_bus, symbols=5, seed=3
    )

    result = await run_viewer_test(settings, tmp_path, lambda text: None)

    assert result.violations == []
    assert result.kills["live server"] >= 2
    assert result.resumed > 20
    assert result.received > result.stored > 0
