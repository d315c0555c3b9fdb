"""`plan`: its figures and the sources of its inputs."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import Bus, Registry
from cli.commands.plan import Plan, PlanOptions, plan, report
from cli.config.file import DEFAULT_FILE, load
from cli.errors import CommandError
from cli.inspect.plan import PlanInputs, SymbolPlan, liquidation, plan_symbol
from cli.stack.connection import BusAddress
from engine.core.grid import Grid
from schemas import subjects
from schemas.engine.journal import SymbolAdded, SymbolEntry
from schemas.grid.settings import PositionLimit, PositionUnit
from schemas.subjects import ALL
from schemas.units import Side, Symbol
from schemas.venue.account import Balance, Position
from schemas.venue.market import FeedChanged, FeedState, Ticker
from schemas.venue.orders import PlaceOrder

CONFIGURATION = load(DEFAULT_FILE, {})
BTC, ETH, SOL = CONFIGURATION.symbols
D = Decimal


def inputs(symbol: Symbol = BTC.symbol) -> PlanInputs:
    found = next(each for each in CONFIGURATION.venue.symbols if each.instrument.symbol == symbol)
    return PlanInputs(
        instrument=found.instrument,
        price=found.start_price,
        source="test",
        balance=D(10_000),
        leverage=found.leverage,
        is_stream_up=True,
    )


def planned(**changes: object) -> SymbolPlan:
    return plan_symbol(msgspec.structs.replace(BTC.settings, **changes), inputs())


@pytest.mark.parametrize("entry", CONFIGURATION.symbols, ids=lambda entry: entry.symbol)
def test_levels_equal_the_first_orders_of_the_engine(entry: SymbolEntry) -> None:
    plan_inputs = inputs(entry.symbol)
    settings = msgspec.structs.replace(entry.settings, preflight=False)
    grid = Grid(None, 0)
    added = SymbolAdded(
        venue=entry.venue,
        symbol=entry.symbol,
        instance="sqt",
        generation=1,
        settings=settings,
        instrument=plan_inputs.instrument,
        time=1,
    )
    ticker = Ticker(
        venue=entry.venue, symbol=entry.symbol, bid=D(0), ask=D(0), last=plan_inputs.price, time=1
    )
    change = grid.process([added, ticker])
    assert change is not None
    placed = {
        (each.level, each.side, each.price, each.quantity)
        for each in change.decisions
        if isinstance(each, PlaceOrder)
    }
    levels = plan_symbol(entry.settings, plan_inputs).levels
    assert {(each.level, each.side, each.price, each.quantity) for each in levels} == placed


def test_margin_is_that_of_the_larger_side() -> None:
    found = planned(sell_window=3)
    worth = sum(each.notional for each in found.levels if each.side is Side.BUY)
    assert found.margin == worth / 5


def test_maximum_loss_is_at_the_last_level_and_includes_fees() -> None:
    found = planned(buy_window=2)
    first, second = [each for each in found.levels if each.side is Side.BUY]
    buys = next(each for each in found.ends if each.side is Side.BUY)
    assert (buys.levels, buys.last) == (2, second.price)
    fees = (first.notional + second.notional) * D("0.0002")
    assert buys.loss == (first.price - second.price) * first.quantity + fees


def test_profit_of_a_round_trip_is_net_of_both_fees() -> None:
    level = planned().levels[0]
    fees = (D(59960) + D(60000)) * D("0.0002")
    assert (level.level, level.profit) == (-1, (40 - fees) * level.quantity)


def test_too_narrow_a_grid_is_refused() -> None:
    found = planned(price_interval=D(10))
    assert found.is_refused
    assert found.round_trip < 0


def test_what_a_side_may_hold_at_max_position() -> None:
    buys, sells = planned(max_position=PositionLimit(value=D(3), unit=PositionUnit.LEVELS)).most
    assert (buys.levels, buys.side, sells.levels, sells.side) == (3, Side.BUY, 3, Side.SELL)
    assert buys.notional <= 150
    assert buys.margin == buys.notional / 5
    assert buys.bound is None


def test_the_loss_at_a_bound() -> None:
    (buys,) = plan_symbol(
        msgspec.structs.replace(BTC.settings, mode="long", max_position=None, lower_price=D(59_890)), inputs()
    ).most
    assert (buys.levels, buys.last, buys.bound) == (2, D(59_920), D(59_890))
    fees = buys.notional * D("0.0002")
    assert buys.loss_at_bound == buys.notional - buys.quantity * 59_890 + fees


def test_without_limit_and_bound_nothing_bounds_what_is_held() -> None:
    assert not planned(max_position=None).most


def test_at_the_break_even_price_closing_pays_both_fees() -> None:
    for each in planned().ends:
        closing = each.quantity * each.break_even
        result = each.side.sign * (closing - each.notional) - (closing + each.notional) * D("0.0002")
        assert abs(result) < D("1e-6")


def test_the_report_says_what_max_position_means() -> None:
    text = report(Plan(configuration="x", symbols=(planned(),)))
    assert "at most, max_position 2 windows: 20 levels bought" in text
    unlimited = report(Plan(configuration="x", symbols=(planned(max_position=None),)))
    assert "nothing bounds what the grid may hold" in unlimited


@pytest.mark.parametrize(
    ("side", "margin", "price"),
    [(Side.BUY, "200", "804.02010050"), (Side.SELL, "200", "1194.02985075"), (Side.BUY, "1000", None)],
)
def test_the_liquidation_price(side: Side, margin: str, price: str | None) -> None:
    found = liquidation(side, D(1), D(1000), D(margin), D("0.005"))
    assert found == (None if price is None else D(price))


@given(
    side=st.sampled_from(Side),
    leverage=st.integers(2, 20),
    size=st.integers(1, 1000),
    rate=st.integers(0, 20),
)
def test_equity_at_the_liquidation_price_equals_the_maintenance_margin(
    side: Side, leverage: int, size: int, rate: int
) -> None:
    quantity, average, share = D(size) / 100, D(3000), D(rate) / 1000
    margin = quantity * average / leverage
    price = liquidation(side, quantity, average, margin, share)
    assert price is not None
    left = margin + side.sign * quantity * (price - average)
    assert abs(left - share * quantity * price) < D("1e-6")


def test_spot_is_not_liquidated() -> None:
    (end,) = plan_symbol(SOL.settings, inputs(SOL.symbol)).ends
    assert (end.liquidation_isolated, end.liquidation_cross) == (None, None)


async def test_without_a_stack_inputs_come_from_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert await plan(PlanOptions()) == 0
    out = capsys.readouterr().out
    assert "BTC/USDT:USDT on sim, neutral: 60000 USDT (the configuration's start_price)" in out
    assert "order_stream           checked at start" in out
    assert "margin of all symbols:" in out


async def test_a_refusal_sets_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "poor.yaml"
    file.write_text(DEFAULT_FILE.read_text().replace("10000 USDT", "200 USDT"))
    assert await plan(PlanOptions(file=file, symbol=SOL.symbol)) == 1
    assert "REFUSED" in capsys.readouterr().out


async def test_an_unknown_symbol_is_rejected() -> None:
    with pytest.raises(CommandError, match="has no symbol X; there is BTC/USDT:USDT"):
        await plan(PlanOptions(symbol=Symbol("X")))


async def test_json_contains_decimals_as_strings(capsys: pytest.CaptureFixture[str]) -> None:
    await plan(PlanOptions(symbol=ETH.symbol, price=D(2900), as_json=True))
    (found,) = json.loads(capsys.readouterr().out)["symbols"]
    assert (found["price"], found["source"], found["levels"][0]["price"]) == ("2900", "--price", "2897.68")


async def test_inputs_come_from_the_running_stack(bus: Bus, capsys: pytest.CaptureFixture[str]) -> None:
    venue, symbol = BTC.venue, BTC.symbol
    rules = msgspec.structs.replace(inputs().instrument, maker_fee=D("0.0004"))
    key = subjects.registry_key(venue, symbol)
    await Registry(bus, "instruments").create(key, rules)
    balance = Balance(
        venue=venue,
        asset="USDT",
        total=D(900),
        free=D(900),
        margin_balance=D(900),
        unrealized_pnl=D(0),
        time=1,
    )
    position = Position(
        venue=venue,
        symbol=symbol,
        quantity=D(0),
        entry_price=D(0),
        mark_price=D(0),
        unrealized_pnl=D(0),
        leverage=D(20),
        time=1,
    )
    down = FeedChanged(venue=venue, symbol=Symbol(ALL), state=FeedState.DOWN, reason="", time=1)
    ticker = Ticker(venue=venue, symbol=symbol, bid=D(50_000), ask=D(50_000), last=D(50_000), time=1)
    await bus.store(subjects.balance(venue, "USDT"), balance)
    await bus.store(subjects.position(venue, symbol), position)
    await bus.store(subjects.account_feed(venue), down)
    await bus.store(subjects.ticker(venue, symbol), ticker)

    assert await plan(PlanOptions(symbol=symbol, bus=BusAddress(bus.url))) == 1
    out = capsys.readouterr().out
    assert "50000 USDT (the running stack), balance 900 USDT, leverage 20" in out
    assert "leverage 20, the limit is 10" in out
    assert "fees of both sides 0.08%" in out
    assert "the account's private stream is down" in out


@pytest.mark.parametrize(
    ("price", "text"),
    [(150, "balance 900 USDT (1200.00 USDT with all assets), "), (None, "no price of SOL), ")],
)
async def test_balance_is_told_apart_from_the_worth_of_all_assets(
    bus: Bus, capsys: pytest.CaptureFixture[str], price: int | None, text: str
) -> None:
    for asset, total in (("USDT", D(900)), ("SOL", D(2))):
        balance = Balance(
            venue=BTC.venue,
            asset=asset,
            total=total,
            free=total,
            margin_balance=total,
            unrealized_pnl=D(0),
            time=1,
        )
        await bus.store(subjects.balance(BTC.venue, asset), balance)
    if price is not None:
        sol = Symbol("SOL/USDT")
        ticker = Ticker(venue=BTC.venue, symbol=sol, bid=D(price), ask=D(price), last=D(price), time=1)
        await bus.store(subjects.ticker(BTC.venue, sol), ticker)

    await plan(PlanOptions(symbol=BTC.symbol, price=D(61_000), bus=BusAddress(bus.url)))

    assert text in capsys.readouterr().out


async def test_missing_live_values_come_from_the_configuration(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    await bus.store(
        subjects.balance(BTC.venue, "USDT"),
        Ticker(venue=BTC.venue, symbol=BTC.symbol, bid=D(1), ask=D(1), last=D(1), time=1),
    )
    assert await plan(PlanOptions(symbol=BTC.symbol, price=D(61_000), bus=BusAddress(bus.url))) == 0
    assert "61000 USDT (--price), balance 10000 USDT, leverage 5" in capsys.readouterr().out


async def test_a_price_without_a_symbol_is_rejected() -> None:
    with pytest.raises(CommandError, match="--price is the price of one symbol: name it with --symbol"):
        await plan(PlanOptions(price=D(61_000)))


def test_a_side_that_cross_margin_never_liquidates_says_so() -> None:
    text = report(Plan(configuration="x", symbols=(planned(),)))
    assert "USDT with isolated margin, never with cross margin" in text


def test_a_level_without_an_order_has_a_reason() -> None:
    found = planned(upper_price=D(60_050))
    text = report(Plan(configuration="x", symbols=(found,)))
    assert "out of bounds" in text
