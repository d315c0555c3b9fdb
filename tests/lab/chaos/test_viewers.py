"""The viewers who count: they find what is missing, doubled or out of order, and that the live servers leave out nothing."""

from pathlib import Path

import msgspec
import pytest

from lab.chaos.load import markets
from lab.chaos.viewer_clients import Everybody, Viewer
from lab.chaos.viewers import Trial, contradictions, experiment

ONE, OTHER = markets(2)
TRUTH = {"ORDERS": [(3, ONE.token), (4, OTHER.token), (5, ONE.token), (8, ONE.token)]}


def streams(kind: str, sequence: int, **more: str) -> bytes:
    at = {"ORDERS": {"created": "once", "sequence": sequence}}
    return msgspec.json.encode({"type": kind, "data": {"streams": at, **more}})


def event(sequence: int, data: str = "") -> bytes:
    return msgspec.json.encode({"type": "orders", "data": data, "seq": f"ORDERS:{sequence}"})


def viewer(*heard: int, includes: int = 3) -> Viewer:
    viewer = Viewer("viewer", [ONE])
    viewer.take(streams("snapshot", includes, reason="first"))
    for sequence in heard:
        viewer.take(event(sequence))
    return viewer


def test_a_viewer_that_heard_everything_behind_its_snapshot_is_content() -> None:
    assert contradictions([viewer(5, 8)], TRUTH) == []


@pytest.mark.parametrize(
    ("heard", "what"),
    [
        ((5,), "missing 8"),
        ((5, 5, 8), "twice 5"),
        ((8, 5), "out of order"),
        ((4, 5, 8), "not its own 4"),
    ],
)
def test_what_is_wrong_is_said(heard: tuple[int, ...], what: str) -> None:
    assert contradictions([viewer(*heard)], TRUTH) == [f"viewer: ORDERS: {what}"]


def test_a_second_snapshot_is_no_resumption() -> None:
    again = viewer(5, 8)
    again.take(streams("snapshot", 8, reason="too_old"))

    assert contradictions([again], TRUTH) == ["viewer: snapshots first, too_old, not the first alone"]


def test_it_goes_on_where_it_was() -> None:
    there = viewer(5)

    assert there.query.endswith("resume=ORDERS%3A5%3Aonce")
    there.take(streams("streams", 7))
    assert there.query.endswith("resume=ORDERS%3A7%3Aonce")


def test_two_servers_that_say_different_things_are_found_out() -> None:
    everybody = Everybody([1], seed=1)
    for who, said in ((viewer(), "a"), (viewer(), "b")):
        told = who.take(event(5, said))
        assert told is not None
        everybody._compare(who, *told)

    assert len(everybody.differences) == 1


@pytest.mark.long
@pytest.mark.parametrize("kills_bus", [False, True])
async def test_nobody_misses_anything_while_live_servers_die(tmp_path: Path, kills_bus: bool) -> None:
    trial = Trial(viewers=40, replicas=2, seconds=7, every_s=1.5, kills_bus=kills_bus, symbols=5, seed=3)

    outcome = await experiment(trial, tmp_path, lambda text: None)

    assert outcome.contradictions == []
    assert outcome.kills["live server"] >= 2
    assert outcome.resumed > 20
    assert outcome.heard > outcome.stored > 0
