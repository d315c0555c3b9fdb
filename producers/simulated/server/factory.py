"""Factory of the venue: initializes a new store, or resumes from an existing one."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from producers.simulated.listing import Listing
from producers.simulated.market.model import ModelTape
from producers.simulated.market.recording import RecordingTape
from producers.simulated.market.tape import Tape
from producers.simulated.matching.changes import StoredState
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.ledger import Wallet
from producers.simulated.server.schedule import Schedule
from producers.simulated.server.store import Cursor, Store, StoreIdentity, StoreUnusable
from producers.simulated.server.venue import Venue
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.units import Symbol, TimeNs


def open_venue(
    settings: VenueSettings,
    store: Store,
    now: TimeNs,
    on_failure: Callable[[BaseException], None] = lambda _: None,
) -> Venue:
    """Return the venue of a store; see `Venue` about `on_failure`.

    Raises: StoreUnusable when the store was created with other settings, RecordingError.
    """
    identity = _identity_of(settings, now)
    recording = RecordingTape(settings, settings.recording) if settings.recording else None
    stored = store.identity()
    if stored is None:
        wallets = [
            Wallet(asset=asset, initial=total, total=total) for asset, total in settings.balances.items()
        ]
        store.initialize(
            identity, wallets, Cursor(time=recording.time(0, now) if recording else identity.created)
        )
        stored = identity
    _check_identity(store, identity, stored)
    cursor = store.cursor()
    assert cursor is not None
    cursor.starts += 1
    tape = recording or _open_model(settings, store, cursor, stored.created, now)
    matching = _open_matching(settings, store, cursor, tape)
    venue = Venue(settings, store, tape, matching, cursor, Schedule(settings, stored.created), on_failure)
    venue.apply_due_rules()
    return venue


def _identity_of(settings: VenueSettings, now: TimeNs) -> StoreIdentity:
    is_fixed = settings.is_lock_step and settings.start_time is not None
    recording = settings.recording
    return StoreIdentity(
        created=settings.start_time if is_fixed and settings.start_time is not None else now,
        seed=settings.seed,
        balances={asset: Decimal(total) for asset, total in settings.balances.items()},
        recording={symbol: Path(path).name for symbol, path in recording.paths.items()}
        if recording
        else None,
    )


def _check_identity(store: Store, expected: StoreIdentity, stored: StoreIdentity) -> None:
    for name in ("seed", "balances", "recording"):
        old, new = getattr(stored, name), getattr(expected, name)
        if old != new:
            raise StoreUnusable(
                f"{store.path} was created with {name} {old}, not {new}: use another store, or remove this one"
            )


def _open_model(
    settings: VenueSettings, store: Store, cursor: Cursor, created: TimeNs, now: TimeNs
) -> ModelTape:
    tape = ModelTape(settings, created)
    paths = {path.symbol: path for path in cursor.paths}
    history = []
    for symbol in _symbols(settings):
        if symbol in paths:
            tape.resume(paths[symbol], store.candles(symbol))
        else:
            history += tape.start(symbol, max(tape.time(cursor.tick, now), cursor.time))
    _check_symbols(settings, store, set(paths))
    cursor.paths = tape.paths()
    store.commit(cursor, candles=history)
    return tape


def _open_matching(settings: VenueSettings, store: Store, cursor: Cursor, tape: Tape) -> MatchingEngine:
    orders, holdings = store.open_orders(), store.holdings()
    _check_symbols(settings, store, {o.symbol for o in orders} | {h.symbol for h in holdings})
    return MatchingEngine(
        settings.venue,
        {symbol.instrument.symbol: _listing(settings, symbol) for symbol in settings.symbols},
        store.wallets(),
        {tick.symbol: tick.quote for tick in tape.snapshot(cursor.tick, cursor.time)},
        stored=StoredState(holdings, orders, store.open_conditionals(), cursor.counters),
        position_mode=settings.position_mode,
    )


def _listing(settings: VenueSettings, symbol: SymbolSettings) -> Listing:
    return Listing(
        symbol.instrument,
        symbol.leverage,
        settings.maximum_open_orders,
        symbol.depth_notional,
        symbol.fee_asset_price,
        fills=settings.fills,
        book=settings.book,
        fee_tiers=symbol.fee_tiers,
        margin_mode=symbol.margin_mode,
        maintenance_ratio=settings.maintenance_margin,
        self_trade_prevention=settings.self_trade_prevention,
    )


def _check_symbols(settings: VenueSettings, store: Store, stored: set[Symbol]) -> None:
    if missing := sorted(stored - set(_symbols(settings))):
        raise StoreUnusable(
            f"{store.path} has traded {', '.join(missing)}: add them to the settings, or use another store"
        )


def _symbols(settings: VenueSettings) -> list[Symbol]:
    return [s.instrument.symbol for s in settings.symbols]
