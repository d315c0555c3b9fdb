"""What has to hold whatever the venue says, in whatever order and however often."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.core.examples import GEOMETRIC, LONG, NEUTRAL, PERPETUAL, SPOT
from tests.engine.core.world import World

from schemas.control import CommandName

SMALL = st.integers(0, 30)
EVENTS = st.one_of(
    st.tuples(st.just("move"), st.integers(-12, 12), st.integers(0, 20)),
    st.tuples(st.just("arrive"), SMALL, SMALL),
    st.tuples(st.just("fill"), SMALL, st.integers(1, 120)),
    st.tuples(st.just("deliver"), SMALL),
    st.tuples(st.just("deliver_many"), SMALL, st.integers(1, 8)),
    st.tuples(st.just("repeat"), SMALL),
    st.tuples(st.just("arrive_all")),
    st.tuples(st.just("lose"), SMALL),
    st.tuples(st.just("expire"), SMALL),
    st.tuples(st.just("look")),
    st.tuples(st.just("reconcile")),
    st.tuples(st.just("ask"), st.sampled_from(CommandName)),
    st.tuples(st.just("wait"), st.integers(0, 70)),
)
STORIES = st.lists(EVENTS, min_size=20, max_size=80)


def tell(world: World, story: list[tuple[str, *tuple[int, ...]]]) -> None:
    for name, *numbers in story:
        if name == "repeat":
            world.deliver(*numbers, keep=True)
        else:
            getattr(world, name)(*numbers)


@pytest.mark.parametrize("kind", ["long", "neutral", "geometric", "spot", "tight"])
@given(story=STORIES)
@settings(max_examples=100, deadline=None)
def test_books_agree_at_last(kind, story) -> None:
    world = World(*KINDS[kind])
    tell(world, story)
    world.settle()


KINDS = {
    "long": (LONG, PERPETUAL),
    "neutral": (NEUTRAL, PERPETUAL),
    "geometric": (GEOMETRIC, PERPETUAL),
    "spot": (LONG, SPOT),
    "tight": (msgspec.structs.replace(NEUTRAL, order_cleanup_threshold=4, allow_taker=True), PERPETUAL),
}
