"""Preflight checks, each with figures and a remedy."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.orders.price_lattice import Lattice
from engine.core.startup.capital import other_grids
from engine.core.startup.case import Account, Case, Check
from engine.core.startup.preflight import checks, leverage_of, refusal, round_trip
from schemas.grid.settings import DEFAULT_MAX_POSITION, GridSettings
from schemas.grid.state import OtherGrid
from schemas.units import Side, Symbol, VenueId
from schemas.venue.instruments import FEE_IN_RECEIVED, Instrument
from tests.builders import BTC, ENTRY, SIM
from tests.engine.core.examples import GEOMETRIC, LONG, NEUTRAL, PERPETUAL, SPOT, D

LIMITED = msgspec.structs.replace(LONG, max_position=DEFAULT_MAX_POSITION)
RICH = Account(is_stream_up=True, balance=D(10_000), leverage=D(5))


def found(
    settings: GridSettings = NEUTRAL, account: Account = RICH, instrument: Instrument = PERPETUAL
) -> dict[str, Check]:
    lattice = Lattice(D(1000), settings, instrument)
    return {each.name: each for each in checks(Case(settings, instrument, lattice, 0, account))}


def changed(settings: GridSettings, **fields: object) -> GridSettings:
    return msgspec.structs.replace(settings, **fields)


@pytest.mark.parametrize("settings", [LONG, NEUTRAL, GEOMETRIC], ids=["long", "neutral", "geometric"])
def test_sound_settings_pass_all_checks(settings: GridSettings) -> None:
    assert [each.passed for each in found(settings).values()] == [True] * 7
    assert not refusal(list(found(settings).values()))


def test_unknown_account_leaves_checks_pending() -> None:
    checked = found(account=Account(None, None, None))
    waits = ["order_stream", "balance", "max_leverage", "position_safety_check", "capital"]
    assert [name for name, each in checked.items() if each.passed is None] == waits
    assert "order_stream pending: the state of the account's private stream is unknown" in refusal(
        list(checked.values())
    )


@pytest.mark.parametrize(
    ("settings", "account", "check", "remedy"),
    [
        (NEUTRAL, RICH._replace(is_stream_up=False), "order_stream", "see the account publisher's log"),
        (NEUTRAL, RICH._replace(balance=D(0)), "balance", "deposit USDT"),
        (
            NEUTRAL,
            RICH._replace(leverage=D(20)),
            "max_leverage",
            "set max_leverage to 20, or the leverage at the venue to 10",
        ),
        (
            NEUTRAL,
            RICH._replace(balance=D("1234.5"), leverage=D(3)),
            "position_safety_check",
            "order_amount of at most 37.035 USDT, or a balance of 3333.3334 USDT",
        ),
        (changed(NEUTRAL, price_interval=D("0.1")), RICH, "round_trip", "price_interval above 0.4002 USDT"),
        (
            changed(GEOMETRIC, interval_ratio=D("0.0002")),
            RICH,
            "round_trip",
            "price_interval above 0.0401%",
        ),
        (
            changed(NEUTRAL, lower_price=D(2000)),
            RICH,
            "round_trip",
            "reduce buy_window or price_interval, or widen lower_price and upper_price",
        ),
        (changed(NEUTRAL, buy_window=100), RICH, "levels", "buy_window of at most 99"),
        (changed(NEUTRAL, price_interval=D("0.01")), RICH, "levels", "price_interval of at least 0.1 USDT"),
        (changed(NEUTRAL, order_amount=D("5.2"), upper_price=D(1005)), RICH, "levels", None),
        (changed(NEUTRAL, order_amount=D("4.9")), RICH, "levels", "order_amount of at least 5.94 USDT"),
    ],
    ids=[
        "stream",
        "balance",
        "leverage",
        "safety",
        "fees",
        "fees geometric",
        "bounds",
        "below zero",
        "tick",
        "within bounds",
        "minimum",
    ],
)
def test_failed_check_names_a_remedy(
    settings: GridSettings, account: Account, check: str, remedy: str | None
) -> None:
    one = found(settings, account)[check]
    assert one.passed is False or remedy is None
    assert remedy is None or one.remedy.startswith(remedy)


@given(balance=st.integers(1, 100_000), leverage=st.integers(1, 10))
def test_remedies_of_the_safety_check_satisfy_it(balance: int, leverage: int) -> None:
    account = RICH._replace(balance=D(balance), leverage=D(leverage))
    one = found(account=account)["position_safety_check"]
    assert one.passed is (balance * leverage >= 100 * 100)
    if not one.passed:
        words = one.remedy.split()
        amount, enough = D(words[4]), D(words[10])
        assert found(changed(NEUTRAL, order_amount=amount), account)["position_safety_check"].passed
        assert found(account=account._replace(balance=enough))["position_safety_check"].passed


def test_taker_fee_applies_to_opening() -> None:
    lattice = Lattice(D(1000), NEUTRAL, PERPETUAL)
    case = Case(NEUTRAL, PERPETUAL, lattice, 0, RICH)
    assert round_trip(case, -1, Side.BUY).fees == 990 * D("0.0002") + 1000 * D("0.0002")
    assert round_trip(case, 1, Side.SELL).profit == 10 - 1000 * D("0.0002") - 1010 * D("0.0002")
    taker = case._replace(settings=changed(NEUTRAL, allow_taker=True))
    assert round_trip(taker, 1, Side.SELL).fees == 1000 * D("0.0002") + 1010 * D("0.0005")


def test_spot_leverage_is_one() -> None:
    assert leverage_of(SPOT, None) == 1
    assert leverage_of(PERPETUAL, None) is None
    assert leverage_of(PERPETUAL, D(3)) == 3


def test_the_capital_has_to_cover_what_the_grid_may_hold() -> None:
    """A window of 150 levels of 100 on 3000 USDT of spot."""
    wide = changed(LONG, buy_window=90, price_interval=D(1), position_safety_check=D(10))
    account = Account(is_stream_up=True, balance=D(3000), leverage=D(1))
    check = found(wide, account, SPOT)["capital"]
    assert check.passed is False
    assert check.figures == (
        "it may hold 9000 USDT, which takes 9000 USDT at leverage 1 of a balance of 3000 USDT"
    )
    assert check.remedy == "max_position of at most 3000 USDT, or a balance of 9000 USDT"


def test_the_other_grids_of_the_account_count_too() -> None:
    others = (
        OtherGrid(symbol=Symbol("ETH/USDT:USDT"), notional=D(20_000)),
        OtherGrid(symbol=Symbol("SOL/USDT"), notional=D(5000)),
        OtherGrid(symbol=Symbol("XRP/USDT"), notional=D(0), balance_ratio=D("0.1")),
    )
    check = found(account=RICH._replace(others=others))["capital"]
    assert check.passed is False
    assert (
        "300 USDT, which takes 60 USDT at leverage 5; with the 3 other grids of USDT 10060 of"
        in check.figures
    )
    fitting = found(account=RICH._replace(others=others[:2]))["capital"]
    assert fitting.passed


def test_other_grids_are_those_of_the_account_and_the_currency() -> None:
    entries = [
        msgspec.structs.replace(ENTRY, symbol=Symbol(name), venue=venue, settings=LIMITED)
        for name, venue in (
            ("BTC/USDT:USDT", SIM),
            ("ETH/USDT:USDT", SIM),
            ("SOL/BTC", SIM),
            ("XRP/USDT", VenueId("other")),
        )
    ]
    (other,) = other_grids(SIM, BTC, entries)
    assert (other.symbol, other.notional) == ("ETH/USDT:USDT", D(600))


def test_a_closing_order_below_the_minimum_refuses_the_start() -> None:
    """A short of 5.02 is bought back one level lower, for less than the minimum of 5."""
    small = changed(NEUTRAL, order_amount=D("5.05"), position_safety_check=D(1))
    check = found(small, instrument=PERPETUAL)["levels"]
    assert check.passed is False
    exempt = msgspec.structs.replace(PERPETUAL, closes_exempt_from_minimum=True, lot_size=D("0.00001"))
    assert found(small, instrument=exempt)["levels"].passed


def test_the_widest_stride_counts_for_closing_orders() -> None:
    fine = msgspec.structs.replace(PERPETUAL, lot_size=D("0.00001"))
    amount = changed(NEUTRAL, order_amount=D("5.1"), position_safety_check=D(1))
    assert found(amount, instrument=fine)["levels"].passed
    wide = found(changed(amount, volatility_scale=D(1)), instrument=fine)["levels"]
    assert wide.passed is False
    assert wide.figures.startswith("level 1 at 1010.0 is closed at 980.0: order of 0.00504 BTC")


def test_a_fee_in_base_counts_for_closing_orders() -> None:
    instrument = msgspec.structs.replace(
        SPOT, fee_asset=FEE_IN_RECEIVED, lot_size=D("0.001"), minimum_notional=D(5), maker_fee=D("0.001")
    )
    small = changed(LONG, order_amount=D("5.99"), position_safety_check=D(1))
    assert found(small, instrument=msgspec.structs.replace(instrument, fee_asset="quote"))["levels"].passed
    check = found(small, instrument=instrument)["levels"]
    assert check.passed is False
    assert "is closed at" in check.figures


def test_orders_that_whole_lots_make_much_smaller_are_mentioned() -> None:
    """100 USDT at 60000 with a lot of 0.001 are 59.7 USDT."""
    lattice_price = D(60_000)
    settings = changed(LONG, price_interval=D(100))
    lattice = Lattice(lattice_price, settings, PERPETUAL)
    case = Case(settings, PERPETUAL, lattice, 0, RICH)
    (check,) = [each for each in checks(case) if each.name == "levels"]
    assert check.passed
    assert "whole lots of 0.001 leave 59.7 of 100 USDT" in check.figures
