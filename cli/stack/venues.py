"""The venues of a stack: their settings with store and port, and the names of the parts that each venue has.

one venue       venue  market  account  gateway                  venue.json, venue.sqlite
several venues  venue-sim  market-sim  account-sim  gateway-sim  and those of `sim2`; venue-sim2.json, venue-sim2.sqlite
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from cli.config.file import Configuration
from cli.errors import CommandError
from cli.stack.data_dir import DataDir
from cli.stack.ports import HOST, find_free_port
from producers.simulated.settings import VenueSettings
from schemas.codec import INVALID_JSON
from schemas.units import VenueId

VENUE = "venue"
MARKET = "market"
ACCOUNT = "account"
GATEWAY = "gateway"


class _Owner(msgspec.Struct, frozen=True):
    venue: VenueId


def numbered(name: str, count: int) -> list[str]:
    """Return `NAME`, or `NAME-1`, `NAME-2` and so on of several."""
    return [name] if count == 1 else [f"{name}-{i + 1}" for i in range(count)]


def part_name(kind: str, venue: VenueId, configuration: Configuration) -> str:
    """Return the name of a venue's part: `market`, or `market-sim` if there are several venues."""
    return kind if len(configuration.venues) == 1 else f"{kind}-{venue}"


def venue_part_names(kind: str, configuration: Configuration, count: int = 1) -> list[str]:
    """Return the names of the parts of one kind, of all venues, `count` of each."""
    return [
        name
        for venue in configuration.venues
        for name in numbered(part_name(kind, venue.venue, configuration), count)
    ]


def prepare_venues(configuration: Configuration, data: DataDir) -> dict[VenueId, tuple[VenueSettings, Path]]:
    """Choose store and port of each venue, and write its settings; return them with the file that they are in.

    Raises: CommandError when a file cannot be written.
    """
    first_port = find_free_port(len(configuration.venues))
    owner = _owner(data, configuration.venues)
    prepared = {}
    for number, configured in enumerate(configuration.venues):
        name = configured.venue
        is_owner = name == owner
        file = data.venue_settings if is_owner else data.root / f"venue-{name}.json"
        store = data.venue_store if is_owner else data.root / f"venue-{name}.sqlite"
        venue = msgspec.structs.replace(configured, store=str(store), host=HOST, port=first_port + number)
        try:
            file.write_bytes(msgspec.json.encode(venue))
        except OSError as error:
            raise CommandError(f"cannot write {file}: {error.strerror}") from error
        prepared[name] = venue, file
    return prepared


def url_of(venue: VenueSettings) -> str:
    """Return the address of a prepared venue."""
    return f"http://{venue.host}:{venue.port}"


def stored_url(data: DataDir, venue: VenueId) -> str:
    """Return the address that a venue had in the last run in a data directory; empty if there was none."""
    for file in (data.venue_settings, data.root / f"venue-{venue}.json"):
        try:
            settings = msgspec.json.decode(file.read_bytes(), type=VenueSettings)
        except (OSError, *INVALID_JSON):
            continue
        if settings.venue == venue:
            return url_of(settings)
    return ""


def _owner(data: DataDir, venues: Sequence[VenueSettings]) -> VenueId:
    """Return the venue whose store is `venue.sqlite`: that of the earlier start, else the first one of the configuration.

    It must not depend on the order in the file: the store is the venue's account.
    """
    try:
        return msgspec.json.decode(data.venue_settings.read_bytes(), type=_Owner).venue
    except FileNotFoundError:
        return venues[0].venue
    except (OSError, *INVALID_JSON) as error:
        raise CommandError(
            f'{data.venue_settings} cannot be read ({error}): write {{"venue": "NAME"}} into it, with the name of '
            f"the venue whose store {data.venue_store.name} is"
        ) from error
