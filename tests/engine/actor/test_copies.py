"""The copies of a step: where they go, and ids that a repeat shares."""

from engine.actor.copies import copies
from schemas.engine.journal import Step
from tests.schemas.examples import EXAMPLES

STEP = next(event for event in EXAMPLES if isinstance(event, Step))


def test_everything_a_step_says_has_its_copy() -> None:
    assert [copy.subject for copy in copies(STEP)] == [
        "engine.sim.BTC-USDT_USDT.decision",
        "engine.sim.BTC-USDT_USDT.decision",
        "engine.sim.BTC-USDT_USDT.fill",
        "control.sim.BTC-USDT_USDT.result",
    ]


def test_ids_are_made_from_the_step() -> None:
    ids = [copy.message_id for copy in copies(STEP)]
    assert len(set(ids)) == len(ids)
    assert ids == [copy.message_id for copy in copies(STEP)]
    assert all(".3." in each for each in ids)
