"""Opening a venue: a new store is made what it is for, an old one is gone on with where it was left."""

from decimal import Decimal
from pathlib import Path

from producers.simulated.listing import Listing
from producers.simulated.market.model import ModelTape
from producers.simulated.market.recording import RecordingTape
from producers.simulated.market.tape import Tape
from producers.simulated.matching.engine import Books
from producers.simulated.matching.ledger import Wallet
from producers.simulated.server.store import Cursor, Origin, Store, StoreUnusable
from producers.simulated.server.venue import Venue
from producers.simulated.settings import VenueSettings
from schemas.units import Symbol, TimeNs


def open_venue(settings: VenueSettings, store: Store, now: TimeNs) -> Venue:
    """Return the venue of a store.

    Raises: StoreUnusable when it was made for another market, RecordingError.
    """
    origin = _origin(settings, now)
    recording = RecordingTape(settings, settings.recording) if settings.recording else None
    known = store.origin()
    if known is None:
        wallets = [
            Wallet(asset=asset, initial=total, total=total) for asset, total in settings.balances.items()
        ]
        store.begin(origin, wallets, Cursor(time=recording.time(0, now) if recording else origin.created))
        known = origin
    _check_origin(store, origin, known)
    cursor = store.cursor()
    assert cursor is not None
    cursor.starts += 1
    tape = recording or _model(settings, store, cursor, known.created, now)
    books = _books(settings, store, cursor, tape)
    return Venue(settings, store, tape, books, cursor)


def _origin(settings: VenueSettings, now: TimeNs) -> Origin:
    is_fixed = settings.is_lock_step and settings.start_time is not None
    recording = settings.recording
    return Origin(
        created=settings.start_time if is_fixed and settings.start_time is not None else now,
        seed=settings.seed,
        balances={asset: Decimal(total) for asset, total in settings.balances.items()},
        recording={symbol: Path(path).name for symbol, path in recording.paths.items()}
        if recording
        else None,
    )


def _check_origin(store: Store, wanted: Origin, known: Origin) -> None:
    for name in ("seed", "balances", "recording"):
        was, now = getattr(known, name), getattr(wanted, name)
        if was != now:
            raise StoreUnusable(
                f"{store.path} was made with {name} {was}, not {now}: name another store, or remove it"
            )


def _model(settings: VenueSettings, store: Store, cursor: Cursor, created: TimeNs, now: TimeNs) -> ModelTape:
    tape = ModelTape(settings, created)
    paths = {path.symbol: path for path in cursor.paths}
    begun = []
    for symbol in _symbols(settings):
        if symbol in paths:
            tape.resume(paths[symbol], store.candles(symbol))
        else:
            begun += tape.begin(symbol, max(tape.time(cursor.tick, now), cursor.time))
    _check_symbols(settings, store, set(paths))
    cursor.paths = tape.paths()
    store.commit(cursor, candles=begun)
    return tape


def _books(settings: VenueSettings, store: Store, cursor: Cursor, tape: Tape) -> Books:
    orders, holdings = store.open_orders(), store.holdings()
    _check_symbols(settings, store, {o.symbol for o in orders} | {h.symbol for h in holdings})
    listings = {
        s.instrument.symbol: Listing(s.instrument, s.leverage, settings.maximum_open_orders, s.depth_notional)
        for s in settings.symbols
    }
    books = Books(
        settings.venue,
        listings,
        store.wallets(),
        holdings=holdings,
        orders=orders,
        counters=cursor.counters,
    )
    books.account.quotes = {tick.symbol: tick.quote for tick in tape.standing(cursor.tick, cursor.time)}
    return books


def _check_symbols(settings: VenueSettings, store: Store, known: set[Symbol]) -> None:
    if missing := sorted(known - set(_symbols(settings))):
        raise StoreUnusable(f"{store.path} trades {', '.join(missing)}, which the settings do not name")


def _symbols(settings: VenueSettings) -> list[Symbol]:
    return [s.instrument.symbol for s in settings.symbols]
