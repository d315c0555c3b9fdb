"""SQLite store of the simulated venue: one file, one transaction per request and per tick.

A committed transaction survives a kill of the process, but not a crash of the machine (`synchronous = NORMAL` does not
flush the log on each commit). A lock file keeps a second process from opening the same store.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from bus import Permanent
from producers.simulated.market.model import PathState
from producers.simulated.market.tape import HISTORY_CANDLES
from producers.simulated.matching.changes import Changes, Counters
from producers.simulated.matching.conditionals import Conditional, ConditionalStatus
from producers.simulated.matching.ledger import Holding, Wallet
from producers.simulated.matching.orders import Arrival, Order
from producers.simulated.parameters import PositionSide
from schemas.units import ClientOrderId, Money, Symbol, TimeNs
from schemas.venue.market import Candle
from schemas.venue.orders import Funding, Trade

STORE_FORMAT = 1
"""The format of the tables, recorded as `PRAGMA user_version`. Version 0.1 recorded none, 0: its format is 1."""

TIME = "json_extract(CAST(body AS TEXT), '$.time')"
"""The time in a row's body, as the indexes have it. Indexes and tables can be added to stores of earlier versions, which
stay readable for these versions."""
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS origin (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS wallets (asset TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS holdings (symbol TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY, symbol TEXT NOT NULL, client_order_id TEXT NOT NULL,
    is_open INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_by_id ON orders (symbol, client_order_id, number);
CREATE INDEX IF NOT EXISTS orders_open ON orders (number) WHERE is_open;
CREATE TABLE IF NOT EXISTS arrivals (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS trades (number INTEGER PRIMARY KEY, symbol TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS trades_by_symbol ON trades (symbol, number);
CREATE TABLE IF NOT EXISTS fundings (number INTEGER PRIMARY KEY, symbol TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS fundings_by_symbol ON fundings (symbol, number);
CREATE INDEX IF NOT EXISTS trades_by_time ON trades (symbol, {TIME}, number);
CREATE INDEX IF NOT EXISTS fundings_by_time ON fundings (symbol, {TIME}, number);
CREATE TABLE IF NOT EXISTS conditionals (
    number INTEGER PRIMARY KEY, symbol TEXT NOT NULL, client_order_id TEXT NOT NULL,
    is_open INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS conditionals_by_id ON conditionals (symbol, client_order_id, number);
CREATE TABLE IF NOT EXISTS candles (
    symbol TEXT NOT NULL, open_time INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (symbol, open_time)
) WITHOUT ROWID;
"""

S = TypeVar("S", bound=msgspec.Struct)


class StoreUnusable(OSError, Permanent):
    """The store is in use, was created with other settings or by a newer version, or is not a store."""


class StoreIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that a store was created with and that must not change."""

    created: TimeNs
    seed: int
    balances: dict[str, Money]
    recording: dict[Symbol, str] | None
    """File name of each symbol's candles; None for a model."""


class Cursor(msgspec.Struct, kw_only=True):
    """Progress of the venue: tick, market time, sequence counters and model paths."""

    tick: int = 0
    time: TimeNs = 0
    counters: Counters = msgspec.field(default_factory=Counters)
    paths: list[PathState] = []
    starts: int = 0
    """Number of times that a process has opened the store."""


class Store:
    """An open store and its lock."""

    def __init__(self, path: Path) -> None:
        """Open the store, or create it.

        Raises: StoreUnusable when it is locked, not writable, not a store, or written by a newer version.
        """
        self.path = path
        self._lock = _acquire_lock(path)
        try:
            self._database = _open_database(path)
        except (sqlite3.Error, StoreUnusable) as error:
            os.close(self._lock)
            if isinstance(error, StoreUnusable):
                raise
            raise StoreUnusable(f"{path} is not a store of the simulated venue: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and release the lock."""
        self._database.close()
        os.close(self._lock)

    def identity(self) -> StoreIdentity | None:
        """Return the settings that the store was created with, None when it is new."""
        return next(iter(self._read("SELECT body FROM origin", (), StoreIdentity)), None)

    def cursor(self) -> Cursor | None:
        return next(iter(self._read("SELECT body FROM cursor", (), Cursor)), None)

    def initialize(self, identity: StoreIdentity, wallets: Iterable[Wallet], cursor: Cursor) -> None:
        """Write the initial state of a new store."""
        with self._transaction():
            self._write("INSERT INTO origin (one, body) VALUES (1, ?)", [(_encode(identity),)])
            self._write_wallets(wallets)
            self._write_cursor(cursor)

    def commit(
        self,
        cursor: Cursor,
        changes: Changes | None = None,
        *,
        wallets: Iterable[Wallet] = (),
        holdings: Iterable[Holding] = (),
        candles: Sequence[Candle] = (),
    ) -> None:
        """Store the changes of one request or one tick in one transaction."""
        with self._transaction():
            self._write_cursor(cursor)
            if changes:
                self._write_orders(changes.orders.values())
                self._write_conditionals(changes.conditionals.values())
                self._write_trades(changes.trades)
                self._write_fundings(changes.fundings)
            self._write_wallets(wallets)
            self._write(
                "INSERT OR REPLACE INTO holdings (symbol, body) VALUES (?, ?)",
                [(_holding_key(holding), _encode(holding)) for holding in holdings],
            )
            if candles:
                self._write_candles(candles)

    def add_arrival(self, arrival: Arrival) -> None:
        """Store the arrival of a request to place an order."""
        with self._transaction():
            self._write("INSERT INTO arrivals (body) VALUES (?)", [(_encode(arrival),)])

    def arrivals(self) -> list[Arrival]:
        """Return all requests to place an order, oldest first."""
        return self._read("SELECT body FROM arrivals ORDER BY number", (), Arrival)

    def wallets(self) -> list[Wallet]:
        return self._read("SELECT body FROM wallets ORDER BY asset", (), Wallet)

    def holdings(self) -> list[Holding]:
        return self._read("SELECT body FROM holdings ORDER BY symbol", (), Holding)

    def open_orders(self) -> list[Order]:
        return self._read("SELECT body FROM orders WHERE is_open ORDER BY number", (), Order)

    def orders(self) -> list[Order]:
        """Return all orders, open and final, oldest first."""
        return self._read("SELECT body FROM orders ORDER BY number", (), Order)

    def order(self, symbol: Symbol, client_order_id: ClientOrderId) -> Order | None:
        """Return the newest order with an id, None if there is none."""
        query = (
            "SELECT body FROM orders WHERE symbol = ? AND client_order_id = ? ORDER BY number DESC LIMIT 1"
        )
        return next(iter(self._read(query, (symbol, client_order_id), Order)), None)

    def open_conditionals(self) -> list[Conditional]:
        return self._read("SELECT body FROM conditionals WHERE is_open ORDER BY number", (), Conditional)

    def conditional(self, symbol: Symbol, client_order_id: ClientOrderId) -> Conditional | None:
        """Return the newest conditional order with an id, None if there is none."""
        query = (
            "SELECT body FROM conditionals WHERE symbol = ? AND client_order_id = ? "
            "ORDER BY number DESC LIMIT 1"
        )
        return next(iter(self._read(query, (symbol, client_order_id), Conditional)), None)

    def trades(self, symbol: Symbol, since: TimeNs, after: int, limit: int) -> list[Trade]:
        """Return up to `limit` trades of a symbol by time and number, from those of `since` with numbers above `after`."""
        return self._read(_page_of("trades"), (symbol, since, after, limit), Trade)

    def all_trades(self) -> list[Trade]:
        return self._read("SELECT body FROM trades ORDER BY number", (), Trade)

    def fundings(self, symbol: Symbol, since: TimeNs, after: int, limit: int) -> list[Funding]:
        """Return up to `limit` funding payments of a symbol, like `trades`."""
        return self._read(_page_of("fundings"), (symbol, since, after, limit), Funding)

    def all_fundings(self) -> list[Funding]:
        return self._read("SELECT body FROM fundings ORDER BY number", (), Funding)

    def candles(self, symbol: Symbol) -> list[Candle]:
        return self._read("SELECT body FROM candles WHERE symbol = ? ORDER BY open_time", (symbol,), Candle)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _write_cursor(self, cursor: Cursor) -> None:
        self._database.execute("INSERT OR REPLACE INTO cursor (one, body) VALUES (1, ?)", (_encode(cursor),))

    def _write_wallets(self, wallets: Iterable[Wallet]) -> None:
        rows = [(wallet.asset, _encode(wallet)) for wallet in wallets]
        self._write("INSERT OR REPLACE INTO wallets (asset, body) VALUES (?, ?)", rows)

    def _write_orders(self, orders: Iterable[Order]) -> None:
        rows = [(o.number, o.symbol, o.client_order_id, o.is_open, _encode(o)) for o in orders]
        query = "INSERT OR REPLACE INTO orders (number, symbol, client_order_id, is_open, body) VALUES (?, ?, ?, ?, ?)"
        self._write(query, rows)

    def _write_conditionals(self, conditionals: Iterable[Conditional]) -> None:
        rows = [
            (
                each.number,
                each.new.symbol,
                each.new.client_order_id,
                each.status is ConditionalStatus.OPEN,
                _encode(each),
            )
            for each in conditionals
        ]
        query = (
            "INSERT OR REPLACE INTO conditionals (number, symbol, client_order_id, is_open, body) "
            "VALUES (?, ?, ?, ?, ?)"
        )
        self._write(query, rows)

    def _write_trades(self, trades: Iterable[Trade]) -> None:
        rows = [(int(trade.trade_id), trade.symbol, _encode(trade)) for trade in trades]
        self._write("INSERT INTO trades (number, symbol, body) VALUES (?, ?, ?)", rows)

    def _write_fundings(self, fundings: Iterable[Funding]) -> None:
        rows = [(int(funding.funding_id), funding.symbol, _encode(funding)) for funding in fundings]
        self._write("INSERT INTO fundings (number, symbol, body) VALUES (?, ?, ?)", rows)

    def _write_candles(self, candles: Sequence[Candle]) -> None:
        rows = [(candle.symbol, candle.open_time, _encode(candle)) for candle in candles]
        self._write("INSERT OR REPLACE INTO candles (symbol, open_time, body) VALUES (?, ?, ?)", rows)
        oldest = {c.symbol: c.open_time - HISTORY_CANDLES * (c.time - c.open_time) for c in candles}
        self._write("DELETE FROM candles WHERE symbol = ? AND open_time < ?", list(oldest.items()))

    def _write(self, query: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            self._database.executemany(query, rows)

    def _read(self, query: str, values: tuple[object, ...], kind: type[S]) -> list[S]:
        decoder = msgspec.json.Decoder(kind)
        return [decoder.decode(body) for (body,) in self._database.execute(query, values)]


def _page_of(table: str) -> str:
    return (
        f"SELECT body FROM {table} WHERE symbol = ?1 AND {TIME} >= ?2 AND ({TIME} > ?2 OR number > ?3) "
        f"ORDER BY {TIME}, number LIMIT ?4"
    )


def _holding_key(holding: Holding) -> str:
    return f"{holding.symbol} {holding.side}" if holding.side is PositionSide.SHORT else holding.symbol


def _encode(value: msgspec.Struct) -> bytes:
    return msgspec.json.encode(value)


def _acquire_lock(path: Path) -> int:
    lock = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreUnusable(f"{lock} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 20).decode().strip()
        os.close(descriptor)
        raise StoreUnusable(
            f"{path} is in use by a venue with process id {owner}: stop that process first"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _open_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found > STORE_FORMAT:
            raise StoreUnusable(
                f"{path} was written by a newer version (format {found}; this program reads up to {STORE_FORMAT}): "
                "update this program"
            )
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(SCHEMA)
        database.execute(f"PRAGMA user_version = {STORE_FORMAT}")
    except (sqlite3.Error, StoreUnusable):
        database.close()
        raise
    return database
