"""Preflight checks, each with figures and a remedy."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.orders.price_lattice import Lattice
from engine.core.startup.case import Account, Case, Check
from engine.core.startup.preflight import checks, leverage_of, refusal, round_trip
from schemas.grid.settings import GridSettings
from schemas.units import Side
from schemas.venue.instruments import Instrument
from tests.engine.core.examples import GEOMETRIC, LONG, NEUTRAL, PERPETUAL, SPOT, D

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
    assert [each.passed for each in found(settings).values()] == [True] * 6
    assert not refusal(list(found(settings).values()))


def test_unknown_account_leaves_checks_pending() -> None:
    checked = found(account=Account(None, None, None))
    waits = ["order_stream", "balance", "max_leverage", "position_safety_check"]
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
