"""The portfolio: exposure of all symbols, and the limits that follow."""

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.core.commands.answers import operator_of
from engine.core.portfolio.portfolio import Portfolio, seen
from schemas.codec import encode
from schemas.engine.control import CommandName
from schemas.engine.portfolio import CurrencyLimits, PortfolioSettings
from schemas.engine.portfolio_journal import PortfolioState
from schemas.grid.guard_state import BreakerState
from schemas.grid.view import GridView
from schemas.units import Symbol, VenueId
from tests.builders import BTC
from tests.engine.core.examples import D, at
from tests.engine.core.portfolios import (
    ACTIVATED,
    CLEARED,
    ETH,
    LIMITED,
    SOL,
    clock,
    entry,
    for_all,
    limits,
    risks,
    round_trip,
    started,
    state_of,
    step,
    symbol,
)
from tests.schemas.examples import EXAMPLES

ETH_BTC, OTHER = Symbol("ETH/BTC"), VenueId("sim2")
_states = msgspec.json.Decoder(PortfolioState)


def test_no_step_before_the_settings_are_known() -> None:
    portfolio = Portfolio(None, 0)
    assert portfolio.process([symbol(position=100)]) is None
    assert risks(step(portfolio, entry())) == [ACTIVATED]


def test_exposure_of_all_symbols_reaches_the_limit() -> None:
    portfolio = started()
    assert portfolio.process([symbol(BTC, 4), symbol(ETH, -4)]) is None
    assert limits(portfolio).is_opening_allowed
    change = step(portfolio, symbol(SOL, 2))
    assert risks(change) == [ACTIVATED]
    assert not limits(portfolio).is_opening_allowed
    assert limits(portfolio).reason == "all symbols together hold 1000 USDT or more"
    assert [(each.symbol, each.notional) for each in portfolio.limits().symbols] == [
        (BTC, D(400)),
        (ETH, D(400)),
        (SOL, D(200)),
    ]


def test_exposure_limit_clears_below_the_resume_threshold() -> None:
    portfolio = started()
    step(portfolio, symbol(BTC, 10))
    assert portfolio.process([symbol(BTC, "9.6")]) is None
    assert risks(step(portfolio, symbol(BTC, "9.4"))) == [CLEARED]
    assert portfolio.process([symbol(BTC, "9.6")]) is None


def test_changed_or_removed_limit_applies_at_once() -> None:
    portfolio = started()
    step(portfolio, symbol(BTC, 10))
    assert risks(step(portfolio, entry(PortfolioSettings()))) == [CLEARED]
    assert portfolio.process([entry(PortfolioSettings())]) is None
    assert risks(step(portfolio, entry())) == [ACTIVATED]


def test_no_step_without_limits() -> None:
    portfolio = started(PortfolioSettings())
    assert portfolio.process([symbol(BTC, 10_000, profit=-9999), round_trip(None)]) is None
    found = limits(portfolio)
    assert (found.is_opening_allowed, found.breaker, found.reason) == (True, BreakerState.CLOSED, "")


def test_limits_time_is_the_newest_of_clock_and_symbols() -> None:
    portfolio = started()
    assert step(portfolio, clock(5), symbol(seconds=3), for_all(CommandName.TRIP)).time == at(5)
    assert portfolio.limits().reason == f"opened by {operator_of(for_all(CommandName.TRIP).command)}"


def test_symbol_seen_is_taken_from_its_view() -> None:
    view = next(each for each in EXAMPLES if isinstance(each, GridView))
    found = seen(view)
    assert (found.symbol, found.position, found.price) == (view.symbol, view.position, view.price)
    assert seen(msgspec.structs.replace(view, price=None)).price == 0


STORIES = st.lists(
    st.one_of(
        st.builds(
            symbol,
            st.sampled_from([BTC, ETH, SOL, ETH_BTC]),
            st.integers(-8, 8),
            profit=st.integers(-30, 30),
            seconds=st.integers(0, 10_000),
        ),
        st.builds(round_trip, st.sampled_from(["-1", "1"]), st.sampled_from(list("abcdef"))),
        st.builds(clock, st.integers(0, 10_000)),
        st.builds(for_all, st.sampled_from([CommandName.TRIP, CommandName.RESET, CommandName.PAUSE])),
    ),
    max_size=40,
)
WATCHFUL = PortfolioSettings(max_exposure=D(1000), max_losing_round_trips=2, max_drawdown=D(40))


@given(STORIES)
def test_limit_is_always_published_and_every_step_is_reproducible(story: list[object]) -> None:
    portfolio = started(WATCHFUL)
    for event in story:
        before, number = encode(state_of(portfolio)), portfolio.step
        change = portfolio.process([event])  # type: ignore[list-item]
        for bucket in portfolio.limits().buckets.values():
            if bucket.exposure >= LIMITED.max_exposure:
                assert not bucket.is_opening_allowed
            if bucket.exposure < LIMITED.max_exposure * Decimal("0.95"):
                assert bucket.is_opening_allowed
        if change is None:
            assert encode(state_of(portfolio)) == before
        else:
            replayed = Portfolio(_states.decode(before), number)
            assert replayed.process(change.causes) == change
            assert encode(state_of(replayed)) == encode(state_of(portfolio))


def test_exposure_at_the_resume_threshold_is_still_limited() -> None:
    portfolio = started()
    step(portfolio, symbol(position=10))
    assert portfolio.process([symbol(position=D("9.5"))]) is None
    assert risks(step(portfolio, symbol(position=D("9.49")))) == [CLEARED]


def test_exposure_is_summed_over_venues_and_per_currency() -> None:
    portfolio = started(PortfolioSettings(currencies={"USDT": CurrencyLimits(max_exposure=D(1000))}))
    step(portfolio, symbol(BTC, 6), symbol(ETH_BTC, 9), symbol(BTC, -4, venue=OTHER))
    found = portfolio.limits()
    assert {name: each.exposure for name, each in found.buckets.items()} == {"BTC": 900, "USDT": 1000}
    assert {name: each.is_opening_allowed for name, each in found.buckets.items()} == {
        "BTC": True,
        "USDT": False,
    }
    assert (found.exposure, found.is_opening_allowed) == (D(0), False)


def test_a_currency_without_its_own_limits_has_those_of_the_portfolio() -> None:
    settings = PortfolioSettings(max_losing_round_trips=7, currencies={"USDT": CurrencyLimits()})
    assert settings.of("USDT").max_losing_round_trips == 0
    assert settings.of("BTC") == CurrencyLimits(max_losing_round_trips=7)


def test_limits_without_buckets_are_those_of_version_0_1() -> None:
    old = msgspec.structs.replace(started().limits(), is_opening_allowed=False, reason="full", buckets={})
    assert (old.bucket("USDT").is_opening_allowed, old.bucket("USDT").reason) == (False, "full")
