"""The options of `up`, their checks, and the configuration that follows from them."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

import msgspec

from cli.apply.symbols import select_entry
from cli.config.file import Configuration
from cli.errors import CommandError
from engine.core.settings_checks import check
from producers.simulated.market.candle_files import RecordingError
from producers.simulated.market.recording import RecordingTape
from producers.simulated.parameters import FillModel
from producers.simulated.settings import RecordingSettings, VenueSettings
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioSettings
from schemas.units import Symbol

REPLAY_OPTIONS = ("speed", "symbol", "replay_volume", "fill_model")
"""Options that only a replay has."""


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `up`; the fields have the names of the command-line options."""

    config: Path | None = None
    data_dir: Path | None = None
    http_port: int | None = None
    bus_port: int | None = None
    viewers: int = 1
    share_port: bool = False
    engines: int = 1
    gateways: int = 1
    replay: Path | None = None
    replay_volume: Literal["base", "quote"] | None = None
    speed: float | Literal["max"] | None = None
    """None is the market's own speed."""
    symbol: Symbol | None = None
    fill_model: FillModel | None = None
    """None is that of the configuration."""
    allow_origin: tuple[str, ...] = ()


def with_options(configuration: Configuration, options: UpOptions) -> Configuration:
    """Return the configuration with the command line's recording and origins.

    Raises: CommandError when the recording cannot be used.
    """
    configuration = _with_origins(configuration, options.allow_origin)
    if options.replay is not None:
        entry = select_entry(configuration.symbols, options.symbol)
        venue = _with_fill_model(configuration.venue_of(entry), options.fill_model)
        venue = msgspec.structs.replace(
            venue,
            symbols=(configuration.settings_of(entry),),
            speed=1.0 if options.speed is None else options.speed,
            recording=RecordingSettings(
                paths={entry.symbol: str(options.replay.absolute())}, volume=options.replay_volume or "base"
            ),
        )
        _check_recording(entry, venue, options.replay)
        # The limits over all symbols use inputs whose order is not deterministic; a recording has one symbol.
        return msgspec.structs.replace(
            configuration, venues=(venue,), symbols=(entry,), portfolio=PortfolioSettings()
        )
    return configuration


def check_options(options: UpOptions) -> None:
    """Check that no option is ignored and none contradicts another.

    Raises: CommandError.
    """
    for name in REPLAY_OPTIONS:
        if options.replay is None and getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise CommandError(f"{option} is about a recording: it needs --replay FILE")
    if options.speed == "max" and max(options.engines, options.gateways) > 1:
        raise CommandError("--speed max supports one engine and one gateway: omit --engines and --gateways")


def _with_fill_model(venue: VenueSettings, model: FillModel | None) -> VenueSettings:
    if model is None:
        return venue
    return msgspec.structs.replace(venue, fills=msgspec.structs.replace(venue.fills, model=model))


def _with_origins(configuration: Configuration, origins: Collection[str]) -> Configuration:
    http = configuration.http
    allowed = msgspec.structs.replace(http, allowed_origins=http.allowed_origins.union(origins))
    return msgspec.structs.replace(configuration, http=allowed)


def _check_recording(entry: SymbolEntry, venue: VenueSettings, path: Path) -> None:
    assert venue.recording is not None
    try:
        tape = RecordingTape(venue, venue.recording)
    except RecordingError as error:
        raise CommandError(f"{error}") from error
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    price = tape.snapshot(0, 0)[0].quote.last
    mistakes = check(entry.settings, venue.symbols[0].instrument, price)
    if mistakes:
        raise CommandError(f"{path} starts at {price:f}: {'; '.join(mistakes)}")
