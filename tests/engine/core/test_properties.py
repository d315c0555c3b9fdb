"""Invariants under any order, repetition and loss of messages, checked by the world at every step."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.engine.control import CommandName
from schemas.grid.settings import GridSettings, PositionLimit, PositionUnit
from schemas.units import SECOND_NS
from schemas.venue.instruments import Instrument
from tests.builders import BTC
from tests.engine.core.examples import BASE_FEES, GEOMETRIC, LONG, NEUTRAL, PERPETUAL, SPOT, D
from tests.engine.core.world import World

GUARDED = msgspec.structs.replace(
    NEUTRAL,
    stale_after=5 * SECOND_NS,
    monitor_symbols=(BTC,),
    average_window=2,
    max_losing_round_trips=2,
    max_drawdown=D(3),
    breaker_cool_down=60 * SECOND_NS,
)
STOPPING = msgspec.structs.replace(
    NEUTRAL, stop_loss=D(1), take_profit=D(2), stop_below_price=D(950), max_order_latency=2 * SECOND_NS
)
BOUNDED = msgspec.structs.replace(NEUTRAL, lower_price=D(985), upper_price=D(1020))
TIGHT = msgspec.structs.replace(NEUTRAL, order_cleanup_threshold=4, allow_taker=True, post_only_retries=1)

MOVING = msgspec.structs.replace(
    NEUTRAL, volatility_scale=D(1), atr_window=1, dynamic_quantity=True, inventory_skew=D("0.03")
)
LIMITED = msgspec.structs.replace(NEUTRAL, max_position=PositionLimit(value=D(400), unit=PositionUnit.QUOTE))
CAREFUL = msgspec.structs.replace(NEUTRAL, preflight=True, trigger_price=D(1000))

SMALL = st.integers(0, 30)
EVENTS = st.one_of(
    st.tuples(st.just("move"), st.integers(-12, 12), st.integers(0, 20)),
    st.tuples(st.just("wait"), st.integers(0, 70)),
    st.tuples(st.just("see_candle"), st.integers(8, 12), st.sampled_from([5, 100]), st.integers(0, 1)),
    st.tuples(st.just("lose_feed"), st.integers(0, 5)),
    st.tuples(st.just("arrive"), SMALL, SMALL),
    st.tuples(st.just("arrive_all")),
    st.tuples(st.just("fill"), SMALL, st.integers(1, 120)),
    st.tuples(st.just("expire"), SMALL),
    st.tuples(st.just("deliver"), SMALL),
    st.tuples(st.just("deliver_many"), SMALL, st.integers(1, 8)),
    st.tuples(st.just("repeat"), SMALL),
    st.tuples(st.just("lose"), SMALL),
    st.tuples(st.just("take_sweep")),
    st.tuples(st.just("reconcile")),
    st.tuples(st.just("send_command"), st.sampled_from(CommandName)),
    st.tuples(
        st.just("change"), st.just("order_amount"), st.sampled_from(["6 USDT", "100 USDT", "250 USDT"])
    ),
    st.tuples(st.just("change"), st.sampled_from(["buy_window", "sell_window"]), st.sampled_from(["1", "5"])),
    st.tuples(st.just("request_dry_run")),
    st.tuples(st.just("end_engine")),
    st.tuples(st.just("start_engine")),
    st.tuples(st.just("restart")),
)
STORIES = st.lists(EVENTS, min_size=20, max_size=80)


def play(world: World, story: list[tuple[object, ...]]) -> None:
    for name, *arguments in story:
        getattr(world, str(name))(*arguments)


@pytest.mark.parametrize(
    ("grid", "instrument"),
    [
        (LONG, PERPETUAL),
        (NEUTRAL, PERPETUAL),
        (GEOMETRIC, PERPETUAL),
        (LONG, SPOT),
        (LONG, BASE_FEES),
        (TIGHT, PERPETUAL),
        (GUARDED, PERPETUAL),
        (BOUNDED, PERPETUAL),
        (STOPPING, PERPETUAL),
        (MOVING, PERPETUAL),
        (LIMITED, PERPETUAL),
    ],
    ids=[
        "long",
        "neutral",
        "geometric",
        "spot",
        "base_fees",
        "tight",
        "guarded",
        "bounded",
        "stopping",
        "moving",
        "limited",
    ],
)
@given(story=STORIES)
@settings(max_examples=100, deadline=None)
def test_accounts_match_the_venue_in_the_end(
    grid: GridSettings, instrument: Instrument, story: list[tuple[object, ...]]
) -> None:
    world = World(grid, instrument)
    play(world, story)
    world.settle()


@pytest.mark.parametrize("grid", [LONG, NEUTRAL], ids=["long", "neutral"])
@given(story=STORIES)
@settings(max_examples=60, deadline=None)
def test_fills_reported_after_a_cancel_are_booked(
    grid: GridSettings, story: list[tuple[object, ...]]
) -> None:
    world = World(grid, is_forgetful=True)
    play(world, story)
    world.settle()


@pytest.mark.parametrize("name", [CommandName.STOP, CommandName.FLATTEN, CommandName.REMOVE])
@given(before=STORIES, after=st.lists(EVENTS.filter(lambda event: event[0] != "send_command")))
@settings(max_examples=40, deadline=None)
def test_halted_grid_never_opens(
    name: CommandName, before: list[tuple[object, ...]], after: list[tuple[object, ...]]
) -> None:
    world = World(NEUTRAL)
    play(world, before)
    world.send_command(CommandName.STOP)
    world.send_command(name)
    opened = world.opened
    play(world, after)
    world.settle()
    assert world.opened == opened


@given(story=STORIES, lots=st.integers(-900, 900))
@settings(max_examples=60, deadline=None)
def test_adopted_position_is_kept_apart_from_trades(story: list[tuple[object, ...]], lots: int) -> None:
    world = World(CAREFUL, held=lots * PERPETUAL.lot_size)
    play(world, story)
    world.settle()
