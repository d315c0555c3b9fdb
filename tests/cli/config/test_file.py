"""Reading the configuration file: valid content, and mistakes with their lines."""

import textwrap
from decimal import Decimal as D  # noqa: N817 - figures read better
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cli.commands.config import summary
from cli.config.file import DEFAULT_FILE, Configuration, ConfigurationError, load, read
from cli.config.warnings import warnings
from cli.errors import CommandError
from schemas.grid.settings import DEFAULT_MAX_POSITION, GridMode
from schemas.units import SECOND_NS

GOOD = textwrap.dedent(
    """\
    instance: abc
    venues:
      sim:
        kind: simulated
        leverage: 5
        balances: [10000 USDT]
        instruments:
          BTC/USDT:USDT:
            kind: linear_perpetual
            tick_size: 0.1
            lot_size: 0.001
            minimum_notional: 5 USDT
            maker_fee: 0.02%
            taker_fee: 0.05%
            start_price: 60000 USDT
          ETH/USDT:
            kind: spot
            tick_size: 0.01
            lot_size: 0.0001
            maker_fee: 0.1%
            taker_fee: 0.1%
            start_price: 3000 USDT
    symbols:
      - venue: sim
        symbol: BTC/USDT:USDT
        mode: neutral
        order_amount: 300 USDT
        price_interval: 20 USDT
      - venue: sim
        symbol: ETH/USDT
        mode: long
        order_amount: 30 USDT
        price_interval: 0.1%
    """
)


def good(environment: dict[str, str] | None = None, text: str = GOOD) -> Configuration:
    configuration, mistakes = read(text, environment or {})
    assert configuration is not None, mistakes
    return configuration


def mistakes(old: str, new: str) -> list[str]:
    assert old in GOOD
    configuration, found = read(GOOD.replace(old, new, 1), {})
    assert configuration is None
    return [f"{mistake.line}: {mistake.text}" for mistake in found]


def test_the_shipped_configuration_has_no_mistakes() -> None:
    configuration = load(DEFAULT_FILE, {})

    assert [entry.settings.mode for entry in configuration.symbols] == ["neutral", "long", "long"]


def test_settings_are_read() -> None:
    first, second = good().symbols

    assert (first.instance, first.settings.mode, first.settings.order_amount) == (
        "abc",
        GridMode.NEUTRAL,
        D(300),
    )
    assert (first.settings.price_interval, first.settings.interval_ratio) == (D(20), None)
    assert (second.settings.price_interval, second.settings.interval_ratio) == (None, D("0.001"))


def test_new_grids_have_a_position_limit_and_adopt_nothing() -> None:
    first, second = good(text=GOOD.replace("mode: long", "mode: long\n    max_position: off", 1)).symbols

    assert first.settings.max_position == DEFAULT_MAX_POSITION
    assert first.settings.adopt_position is False
    assert second.settings.max_position is None


def test_guard_settings_are_read() -> None:
    guarded = GOOD.replace(
        "mode: neutral",
        "mode: neutral\n    stale_after: 2s\n    max_drawdown: 5%\n    risk_trigger: all\n    monitor_symbols: [ETH/USDT]",
        1,
    )
    first, second = good(text=guarded).symbols
    assert (first.settings.max_drawdown_ratio, first.settings.max_drawdown) == (D("0.05"), D(0))
    assert (first.settings.monitor_symbols, first.settings.risk_trigger) == (("ETH/USDT",), 0)
    assert (first.settings.stale_after, second.settings.stale_after) == (2 * SECOND_NS, 5 * SECOND_NS)


def test_instruments_are_read() -> None:
    perpetual, spot = good().venue.symbols

    assert (perpetual.leverage, perpetual.instrument.maker_fee) == (D(5), D("0.0002"))
    assert (spot.leverage, spot.instrument.base, spot.instrument.settle) == (D(1), "ETH", "USDT")


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (
            "instance: abc",
            "instance: ABC",
            "1: instance has to be three characters of a-z and 0-9, like sqt, not 'ABC'",
        ),
        ("instance: abc", "instanze: abc", "1: instanze is unknown; did you mean instance?"),
        ("mode: neutral", "mod: neutral", "26: symbols[0].mod is unknown; did you mean mode?"),
        ("mode: neutral", "mode: short", "26: symbols[0].mode has to be long or neutral, not 'short'"),
        (
            "300 USDT",
            "300",
            "27: symbols[0].order_amount has to be an amount with its currency, like 30 USDT, not '300'",
        ),
        (
            "mode: neutral",
            "mode: neutral\n    risk_trigger: some",
            "27: symbols[0].risk_trigger has to be any, all, or how many of the symbols, not 'some'",
        ),
        (
            "mode: neutral",
            "mode: neutral\n    monitor_symbols: [ETH/USDC]",
            "27: symbols[0].monitor_symbols has ETH/USDC, which is not in symbols; did you mean ETH/USDT?",
        ),
        (
            "mode: neutral",
            "mode: neutral\n    risk_trigger: 2\n    monitor_symbols: [ETH/USDT]",
            "27: symbols[0].risk_trigger 2 exceeds the number of monitor_symbols",
        ),
        (
            "mode: neutral",
            "mode: neutral\n    max_drawdown: 5 USDC",
            "27: symbols[0].max_drawdown has to be in USDT, the quote currency of BTC/USDT:USDT, not USDC",
        ),
        (
            "mode: neutral",
            "mode: neutral\n    lower_price: 60000 USDC",
            "27: symbols[0].lower_price has to be in USDT, the quote currency of BTC/USDT:USDT, not USDC",
        ),
        ("300 USDT", "0 USDT", "27: symbols[0].order_amount has to be above 0"),
        (
            "300 USDT",
            "300 USDC",
            "27: symbols[0].order_amount has to be in USDT, the quote currency of BTC/USDT:USDT, not USDC",
        ),
        (
            "price_interval: 20 USDT",
            "price_interval: 20",
            "28: symbols[0].price_interval has to be an amount, like 20 USDT, or a percentage, like 0.1%, not '20'",
        ),
        (
            "mode: long",
            "mode: neutral",
            "31: ETH/USDT is spot and cannot be sold short: use mode long, or a perpetual",
        ),
        ("symbol: ETH/USDT\n", "symbol: ETH/USD\n", "30: sim has no ETH/USD; did you mean ETH/USDT?"),
        ("- venue: sim", "- venue: sym", "24: symbols[0].venue 'sym' is not in venues; did you mean sim?"),
        ("kind: simulated", "kind: binance", "4: venues.sim.kind has to be simulated, not 'binance'"),
        ("kind: simulated", "exchange: bybit", "4: venues.sim.exchange has to be simulated, not 'bybit'"),
        ("    kind: simulated\n", "", "3: venues.sim.exchange is missing"),
        ("  sim:", "  _all:", "3: the name of a venue has 1 to 24 letters, digits or -, not '_all'"),
        ("  sim:", "  my.sim:", "3: the name of a venue has 1 to 24 letters, digits or -, not 'my.sim'"),
        (
            "kind: linear_perpetual",
            "kind: spot",
            "9: venues.sim.instruments.BTC/USDT:USDT.kind is spot, but BTC/USDT:USDT is the name of a linear_perpetual",
        ),
        (
            "kind: simulated",
            "kind: simulated\n    kind: simulated",
            "5: 'kind' is listed twice, first in line 4",
        ),
        (
            "leverage: 5",
            "leverage: 99",
            "8: the venue's leverage 99 has to be from 1 to venues.sim.instruments.BTC/USDT:USDT.maximum_leverage 20",
        ),
        (
            "balances: [10000 USDT]",
            "balances: [10000 BTC]",
            "6: venues.sim.balances has no USDT: ETH/USDT needs it",
        ),
        (
            "symbol: ETH/USDT\n",
            "symbol: BTC/USDT:USDT\n",
            "30: BTC/USDT:USDT is listed twice on sim: remove one of them",
        ),
        ("maker_fee: 0.02%", "# none", "8: venues.sim.instruments.BTC/USDT:USDT.maker_fee is missing"),
    ],
)
def test_a_mistake_is_reported_with_its_line(old: str, new: str, mistake: str) -> None:
    assert mistake in mistakes(old, new)


def test_an_amount_below_the_venues_minimum_is_a_mistake() -> None:
    assert any("24: BTC/USDT:USDT: order_amount 3 is below" in m for m in mistakes("300 USDT", "3 USDT"))


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        GOOD.replace("300 USDT", "300").replace("0.05%", "0.05").replace("instance: abc", "instance: x")
    )

    with pytest.raises(ConfigurationError) as raised:
        load(path, {})

    assert [mistake.line for mistake in raised.value.mistakes] == [1, 14, 27]
    assert f"{path}:27: symbols[0].order_amount" in str(raised.value)


def test_a_mistake_does_not_cause_further_ones() -> None:
    assert len(mistakes("tick_size: 0.1\n", "tick_size: none\n")) == 1


def test_two_symbols_with_equal_order_ids_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.config.cross_checks.symbol_code", lambda symbol: "00000")

    configuration, found = read(GOOD, {})

    assert configuration is None
    assert "has the same order ids as BTC/USDT:USDT" in found[0].text


def test_variables_come_from_the_environment() -> None:
    text = GOOD.replace("300 USDT", "${AMOUNT:-200 USDT}")

    assert good(text=text).symbols[0].settings.order_amount == 200
    assert good({"AMOUNT": "400 USDT"}, text).symbols[0].settings.order_amount == 400


def test_the_value_of_a_variable_is_never_shown() -> None:
    _, found = read(GOOD.replace("300 USDT", "${SECRET}"), {"SECRET": "hunter2"})

    assert found
    assert "hunter2" not in str(found)


def test_an_alias_has_the_value_of_its_anchor() -> None:
    text = GOOD.replace("300 USDT", "&amount 300 USDT").replace("30 USDT", "*amount")

    assert good(text=text).symbols[1].settings.order_amount == 300


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        load(tmp_path / "none.yaml", {})


def test_the_summary_has_the_interval_after_fees() -> None:
    last = summary(good()).splitlines()[-1]

    assert last.split() == ["ETH/USDT", "long", "30", "USDT", "0.1%", "-0.1%", "10", "10", "300", "USDT"]


def test_a_grid_that_loses_to_fees_gets_a_warning() -> None:
    assert warnings(good())[1] == (
        "warning: ETH/USDT loses money on every round trip: its interval is 0.1%, the fees of both sides are 0.2%"
    )
    assert warnings(load(DEFAULT_FILE, {})) == []


@settings(deadline=None)
@given(st.text())
@example("&a [*a]")
@example("symbols: &a [*a]")
@example('"\\UFFFFFFFF"')
@example("a: " + "[" * 500)
@example("\x00")
@example("venues: {sim: {instruments: {'': 1, ? [x] : 2}}}")
@example("? {}")
@example("a: !!python/object:os.system x")
def test_arbitrary_text_gives_mistakes_with_lines(text: str) -> None:
    configuration, found = read(text, {})

    assert configuration is None
    assert all(1 <= mistake.line <= len(text) + 1 for mistake in found)
    assert found


@settings(deadline=None)
@given(st.data())
def test_any_changed_value_gives_a_configuration_or_mistakes_with_lines(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    value = data.draw(
        st.sampled_from(["", "x", "0", "-1", "[]", "{}", "1 USDT", "5%", "5s", "~", "[[1]]", "9" * 40])
    )
    lines[number] = lines[number].partition(": ")[0].rstrip(":") + f": {value}"

    configuration, found = read("\n".join(lines), {})

    assert (configuration is None) == bool(found)
    assert all(1 <= mistake.line <= len(lines) + 1 for mistake in found)


def two_accounts(second: str = "sim2") -> str:
    """Return a configuration of two accounts at one exchange that trade the same symbol."""
    venues, symbols = GOOD.index("venues:\n"), GOOD.index("symbols:\n")
    account = GOOD[venues:symbols].removeprefix("venues:\n").replace("sim:", f"{second}:")
    entry = GOOD[symbols:].removeprefix("symbols:\n").replace("venue: sim", f"venue: {second}")
    return GOOD[:symbols] + account.replace("kind: simulated", "exchange: simulated") + GOOD[symbols:] + entry


def test_two_accounts_of_one_exchange_trade_the_same_symbol() -> None:
    configuration = good(text=two_accounts())
    assert [venue.venue for venue in configuration.venues] == ["sim", "sim2"]
    assert [(each.venue, each.symbol) for each in configuration.symbols[::2]] == [
        ("sim", "BTC/USDT:USDT"),
        ("sim2", "BTC/USDT:USDT"),
    ]
    assert configuration.settings_of(configuration.symbols[2]).instrument.venue == "sim2"
    assert summary(configuration).splitlines()[-1].split()[:2] == ["sim2", "ETH/USDT"]


def test_names_that_differ_only_in_case_are_a_mistake() -> None:
    configuration, found = read(two_accounts("SIM"), {})
    assert configuration is None
    assert "venues.SIM and venues.sim differ only in case: rename one of them" in {
        each.text for each in found
    }


def test_a_name_that_is_used_twice_is_a_mistake() -> None:
    _, found = read(two_accounts("sim"), {})
    assert any(each.text.startswith("'sim' is listed twice") for each in found)


def test_an_unknown_venue_of_a_symbol_is_a_mistake() -> None:
    text = two_accounts().replace("venue: sim2", "venue: sim3", 1)
    assert any("'sim3' is not in venues" in each.text for each in read(text, {})[1])
