"""The `venues` section of a configuration: accounts by name, the exchange of each, instruments and market models.

The name is the venue's token in subjects and the venue of its symbols. Two accounts at one exchange have two names.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from cli import units
from cli.config.limits import expect_currency, money, optional_money, with_limits
from cli.config.section import Section
from cli.config.venue_models import fee_tiers, positive_duration, with_models
from cli.units import Amount
from producers.simulated.parameters import MarginMode
from producers.simulated.settings import (
    FaultSettings,
    FundingSettings,
    SymbolSettings,
    VenueSettings,
    limit_mistakes,
)
from schemas.subjects import is_venue_id
from schemas.units import MILLISECOND_NS, SECOND_NS, Money, Symbol, VenueId
from schemas.venue.instruments import Instrument, InstrumentKind

MAX_NAME_LENGTH = 24
EXCHANGES = ("simulated",)
"""The exchanges that there is a connector for."""
_SYMBOL = re.compile(r"(?P<base>[A-Z0-9]{1,15})/(?P<quote>[A-Z0-9]{1,15})(?::(?P<settle>[A-Z0-9]{1,15}))?\Z")
_PLACEHOLDER = Amount(Decimal(1), "")
FAULT_PROBABILITIES = (
    "lost",
    "doubled",
    "late",
    "reordered",
    "answer_lost",
    "request_late",
    "rate_limited",
    "overloaded",
    "disconnect_account",
    "disconnect_market",
)


class ReadInstrument(NamedTuple):
    """One entry of a venue's `instruments`."""

    settings: SymbolSettings
    section: Section


class ReadVenue(NamedTuple):
    """One entry of `venues`; `settings` contains placeholders where the file has mistakes."""

    name: str
    settings: VenueSettings
    url: str
    """The address at which other parts reach it; empty if the file does not say."""
    instruments: dict[Symbol, ReadInstrument]
    section: Section


def read_venue(name: str, section: Section, folder: Path) -> ReadVenue:
    """Read one entry of `venues`; the path of its store is relative to `folder`."""
    if not is_venue_id(name) or len(name) > MAX_NAME_LENGTH:
        section.note(f"the name of a venue has 1 to {MAX_NAME_LENGTH} letters, digits or -, not {name!r}")
    _check_exchange(section)
    leverage = section.optional("leverage", units.positive, Decimal(1))
    table = section.section("instruments")
    if table is None:
        section.note(f"{section.path}.instruments is missing")
    instruments = (
        {
            Symbol(symbol): read_instrument(name, symbol, entry, leverage)
            for symbol, entry in table.named_sections()
        }
        if table
        else {}
    )
    store = section.optional("store", units.word, "")
    settings = VenueSettings(
        store=str(folder / store) if store else "",
        host=section.optional("host", units.word, "127.0.0.1"),
        port=section.optional("port", units.whole(0, 65535), 0),
        venue=VenueId(name),
        seed=section.optional("seed", units.whole(0), 1),
        tick_interval=section.optional("tick_interval", positive_duration, 250 * MILLISECOND_NS),
        symbols=tuple(each.settings for each in instruments.values()),
        balances=_balances(section),
        faults=_faults(section.section("faults")),
        funding=_funding(section.section("funding")),
        maintenance_margin=section.optional("maintenance_margin", units.ratio, Decimal(0)),
    )
    settings = with_models(settings, section)
    url = section.optional("url", _url, "")
    section.close()
    return ReadVenue(name, settings, url, instruments, section)


def address(settings: VenueSettings) -> str:
    """Return the address of a venue with a fixed port on this machine; empty without one."""
    if not settings.port:
        return ""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::", "[::]"} else settings.host
    return f"http://{host}:{settings.port}"


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")) or not urlsplit(text).hostname:
        raise ValueError("has to be an address, like http://10.0.0.5:7001")
    return text.rstrip("/")


def _check_exchange(section: Section) -> None:
    # `kind` is the name of the key in version 0.1.
    key = "kind" if section.has("kind") and not section.has("exchange") else "exchange"
    exchange = section.required(key, units.word, EXCHANGES[0])
    if key == "exchange" and section.optional("kind", units.word, exchange) != exchange:
        section.note(f"{section.path}.kind is the old name of exchange: remove it", section.line_of("kind"))
    if exchange not in EXCHANGES:
        known = " or ".join(EXCHANGES)
        section.note(f"{section.path}.{key} has to be {known}, not {exchange!r}", section.line_of(key))


def read_instrument(venue: str, symbol: str, section: Section, leverage: Decimal) -> ReadInstrument:
    """Read one entry of a venue's `instruments`. Spot symbols have leverage 1."""
    instrument = with_limits(_instrument(venue, symbol, section), section)
    start = section.required("start_price", units.amount, _PLACEHOLDER)
    expect_currency(section, "start_price", start, instrument.quote)
    if start.value <= 0:
        section.note(f"{section.path}.start_price has to be above 0", section.line_of("start_price"))
    is_spot = instrument.kind is InstrumentKind.SPOT
    if not is_spot and not 1 <= leverage <= instrument.maximum_leverage:
        section.note(
            f"the venue's leverage {leverage} has to be from 1 to {section.path}.maximum_leverage "
            f"{instrument.maximum_leverage}"
        )
    settings = SymbolSettings(
        instrument=instrument,
        start_price=start.value,
        volatility=section.optional("volatility", _volatility, 0.0025),
        drift=float(section.optional("drift", units.signed_ratio, Decimal(0))),
        jumps=float(section.optional("jumps", units.decimal, Decimal("0.02"))),
        spread_ticks=section.optional("spread_ticks", units.whole(1), 1),
        traded_notional=money(section, "traded_notional", Decimal(100), instrument.quote),
        depth_notional=money(section, "depth_notional", Decimal(10_000), instrument.quote),
        leverage=Decimal(1) if is_spot else leverage,
        fee_asset_price=optional_money(section, "fee_asset_price", instrument.quote),
        fee_tiers=fee_tiers(section, instrument.quote),
        margin_mode=section.optional("margin_mode", units.choice(MarginMode), MarginMode.CROSS),
    )
    for mistake in limit_mistakes(settings):
        section.note(f"{section.path}.{mistake}")
    section.close()
    return ReadInstrument(settings, section)


def _instrument(venue: str, symbol: str, section: Section) -> Instrument:
    match = _SYMBOL.match(symbol)
    if match is None:
        section.note(f"a symbol has the form BTC/USDT (spot) or BTC/USDT:USDT (perpetual), not {symbol!r}")
    base, quote, settle = match.group("base", "quote", "settle") if match else ("", "", None)
    implied_kind = InstrumentKind.LINEAR_PERPETUAL if settle else InstrumentKind.SPOT
    kind = section.required("kind", units.choice(InstrumentKind), implied_kind)
    if match and kind is not implied_kind:
        section.note(
            f"{section.path}.kind is {kind}, but {symbol} is the name of a {implied_kind}",
            section.line_of("kind"),
        )
    if settle and settle != quote:
        section.note(
            f"a linear perpetual settles in its quote currency: {base}/{quote}:{quote}, not {symbol}"
        )
    return Instrument(
        venue=VenueId(venue),
        symbol=Symbol(symbol),
        kind=kind,
        base=base,
        quote=quote,
        settle=quote,
        tick_size=section.required("tick_size", units.positive, Decimal(1)),
        lot_size=section.required("lot_size", units.positive, Decimal(1)),
        minimum_quantity=section.optional("minimum_quantity", units.decimal, Decimal(0)),
        minimum_notional=money(section, "minimum_notional", Decimal(0), quote),
        maker_fee=section.required("maker_fee", units.signed_ratio, Decimal(0)),
        taker_fee=section.required("taker_fee", units.ratio, Decimal(0)),
        maximum_leverage=section.optional("maximum_leverage", units.positive, Decimal(20 if settle else 1)),
    )


def _balances(section: Section) -> dict[str, Money]:
    balances: dict[str, Money] = {}
    for amount, line in section.values("balances", units.amount):
        if amount.currency in balances:
            section.note(f"{section.path}.balances lists {amount.currency} twice", line)
        balances[amount.currency] = amount.value
    return balances


def _faults(section: Section | None) -> FaultSettings:
    if section is None:
        return FaultSettings()
    default = FaultSettings()
    settings = FaultSettings(
        seed=section.optional("seed", units.whole(0), default.seed),
        late_by=section.optional("late_by", positive_duration, default.late_by),
        answer_delay=section.optional("answer_delay", positive_duration, default.answer_delay),
        request_delay=section.optional("request_delay", positive_duration, default.request_delay),
        latency=section.optional("latency", units.duration, default.latency),
        retry_after_s=section.optional("retry_after", positive_duration, 1_000 * MILLISECOND_NS) / 1e9,
    )
    chances = {name: section.optional(name, units.probability, 0.0) for name in FAULT_PROBABILITIES}
    section.close()
    return msgspec.structs.replace(settings, **chances)


def _funding(section: Section | None) -> FundingSettings:
    if section is None:
        return FundingSettings()
    settings = FundingSettings(
        rate=section.required("rate", units.signed_ratio, Decimal(0)),
        interval=section.optional("interval", positive_duration, 8 * 3600 * SECOND_NS),
    )
    section.close()
    return settings


def _volatility(text: str) -> float:
    value = units.ratio(text)
    if value > Decimal("0.1"):
        raise ValueError("is the standard deviation of one minute and at most 10%")
    return float(value)
