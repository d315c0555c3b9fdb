"""What else varies by the seed of a run, besides its faults: what the world has in it, and how it is configured.

Like faults, each variation is switched on for a share of the seeds, with a strength of its own: with all of them at once one
would hide what another shows. A seed that draws no variation runs the default configuration.
"""

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from cli.config.file import Configuration
from lab.chaos.runner import with_volatile_market
from schemas.engine.journal import SymbolEntry
from schemas.units import MILLISECOND_NS, SECOND_NS, Money
from schemas.venue.instruments import quote_of

ONE_GATEWAY_RATIO = 0.3
"""Share of the seeds with one gateway instead of two: with one, the exposure limit is exact."""
VIEWERS_RATIO = 0.15
COMMANDS_RATIO = 0.25
DEAD_MAN_RATIO = 0.3
VENUE_SKEW_RATIO = 0.3
RATE_LIMIT_RATIO = 0.15
VOLATILE_RATIO = 0.4
GUARD_RATIO = 0.25
"""Share of the seeds for each guard of the grids, and of the portfolio."""
MAX_VENUE_SKEW_S = 0.8
"""Of the venue's clock. Further apart from it, a gateway gives its symbols up."""


@dataclass(frozen=True, slots=True)
class Variety:
    """The world of a seed."""

    gateways: int = 2
    live_servers: int = 0
    viewers: int = 0
    command_interval_s: float = 0.0
    """Mean seconds between two commands of an operator; 0: there is none."""
    venue_skew_s: float = 0.0
    """How far the venue's clock is ahead of the other hosts'."""
    producers: dict[str, Any] = field(default_factory=dict)
    """Start-up settings of the producers that differ from the defaults, by name."""


def vary(seed: int) -> Variety:
    """Return the world of a seed."""
    draw = random.Random(f"variety {seed}")
    has_viewers = draw.random() < VIEWERS_RATIO
    producers: dict[str, Any] = {}
    if draw.random() < DEAD_MAN_RATIO:
        producers["dead_man_s"] = round(draw.uniform(5.0, 20.0), 1)
    if draw.random() < RATE_LIMIT_RATIO:
        producers |= {"requests_per_s": draw.choice([8.0, 15.0, 30.0]), "request_burst": draw.choice([5, 20])}
    return Variety(
        gateways=gateways(seed),
        live_servers=2 if has_viewers else 0,
        viewers=3 if has_viewers else 0,
        command_interval_s=draw.uniform(3.0, 30.0) if draw.random() < COMMANDS_RATIO else 0.0,
        venue_skew_s=draw.uniform(-MAX_VENUE_SKEW_S, MAX_VENUE_SKEW_S)
        if draw.random() < VENUE_SKEW_RATIO
        else 0.0,
        producers=producers,
    )


def gateways(seed: int) -> int:
    """Return the number of gateways of a seed."""
    return 1 if random.Random(f"world {seed}").random() < ONE_GATEWAY_RATIO else 2


def varied(configuration: Configuration, seed: int) -> Configuration:
    """Return the configuration with the market, the balances and the guards of a seed."""
    draw = random.Random(f"configuration {seed}")
    if draw.random() < VOLATILE_RATIO:
        configuration = with_volatile_market(configuration, draw.uniform(2.0, 10.0))
    guards = _guards(draw)
    if draw.random() < GUARD_RATIO:
        configuration = _with_little_money(configuration, Decimal(draw.randint(60, 200)))
        guards["preflight"] = False  # it refuses to start with so little
    symbols = tuple(_with_settings(each, guards) for each in configuration.symbols)
    portfolio = msgspec.structs.replace(configuration.portfolio, **_portfolio_guards(draw))
    return msgspec.structs.replace(configuration, symbols=symbols, portfolio=portfolio)


def _with_little_money(configuration: Configuration, amount: Money) -> Configuration:
    """Leave so little in the account that margin runs out."""
    venue = configuration.venue
    currencies = {quote_of(each.symbol) for each in configuration.symbols}
    balances = {name: amount if name in currencies else each for name, each in venue.balances.items()}
    return msgspec.structs.replace(configuration, venues=(msgspec.structs.replace(venue, balances=balances),))


def _with_settings(entry: SymbolEntry, changes: dict[str, Any]) -> SymbolEntry:
    return msgspec.structs.replace(entry, settings=msgspec.structs.replace(entry.settings, **changes))


def _guards(draw: random.Random) -> dict[str, Any]:
    """Return settings of the grids, each of them a guard that acts often."""
    choices: list[dict[str, Any]] = [
        {
            "max_drawdown": Decimal(draw.choice(["0.3", "0.5", "1"])),
            "breaker_cool_down": draw.randint(5, 20) * SECOND_NS,
        },
        {"max_losing_round_trips": 1, "breaker_cool_down": draw.randint(5, 20) * SECOND_NS},
        {"max_order_latency": draw.randint(20, 400) * MILLISECOND_NS, "breaker_cool_down": 5 * SECOND_NS},
        {"stale_after": draw.randint(3, 8) * SECOND_NS, "max_stale": draw.randint(6, 15) * SECOND_NS},
        {"margin_lock_duration": draw.randint(2, 10) * SECOND_NS},
        {"rejection_cool_down": draw.randint(2, 10) * SECOND_NS},
        {"order_cleanup_threshold": draw.randint(5, 15), "cleanup_batch_size": draw.randint(1, 10)},
        {"inventory_skew": Decimal("0.3")},
        {"buy_window": draw.randint(2, 12), "sell_window": draw.randint(2, 12)},
    ]
    found: dict[str, Any] = {}
    for each in choices:
        if draw.random() < GUARD_RATIO:
            found |= each
    return found


def _portfolio_guards(draw: random.Random) -> dict[str, Any]:
    choices: list[dict[str, Any]] = [
        {"max_exposure": Decimal(draw.randint(300, 1500))},
        {"max_drawdown": Decimal(draw.choice(["1", "2", "4"]))},
        {"max_tripped_symbols": 1},
        {"max_stale_symbols": 1},
    ]
    found: dict[str, Any] = {"breaker_cool_down": draw.randint(5, 30) * SECOND_NS}
    for each in choices:
        if draw.random() < GUARD_RATIO:
            found |= each
    return found
