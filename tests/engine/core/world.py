"""A grid and an exchange with unreliable messages between them; invariants are checked after every input."""

from decimal import Decimal

import msgspec

from engine.core.blocking import blocked_by, halted_by
from engine.core.grid import Grid
from engine.core.guards import max_position
from engine.core.quoting.quotes import closing_left
from engine.core.step import Change
from engine.core.view import view
from schemas.codec import encode
from schemas.engine.control import CommandName
from schemas.engine.events import Reconciled, ReconciliationFinding, RiskChanged, Severity
from schemas.engine.journal import EngineStarted, EngineStopping, Input
from schemas.grid.settings import GridMode, GridSettings
from schemas.grid.state import GridState
from schemas.grid.view import NotQuoting
from schemas.units import ClientOrderId, Side, TradeId
from schemas.venue.account import OpenOrders, Position
from schemas.venue.fees import fee_in_quote, position_change
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.market import FeedState, Ticker
from schemas.venue.orders import PlaceOrder, RejectReason, Trade
from tests.builders import BTC
from tests.engine.core.examples import (
    PERPETUAL,
    added,
    at,
    balance,
    candle,
    command,
    feed,
    position,
    quoting_changes,
    silence,
    state_of,
    stream,
    ticker,
)
from tests.engine.core.exchange import Exchange

ZERO = Decimal(0)
DIFFERS = ReconciliationFinding.POSITION_DIFFERS
PRICES = (Decimal(1), Decimal("997.3"), Decimal("123456.789"))
REASONS = tuple(reason for reason in RejectReason if reason is not RejectReason.DUPLICATE_ID)

_states = msgspec.json.Decoder(GridState)


class World:
    """A world driven by small numbers, so that hypothesis can shrink a story made of them."""

    def __init__(
        self,
        settings: GridSettings,
        instrument: Instrument = PERPETUAL,
        *,
        is_forgetful: bool = False,
        held: Decimal = ZERO,
    ) -> None:
        self.settings = settings
        self.exchange = Exchange(instrument, is_forgetful=is_forgetful)
        self.grid = Grid(None, 0)
        self.seconds = 0.0
        self.price = Decimal(1000)
        self.delivered_trades: dict[TradeId, Trade] = {}
        self._newest_ticker: tuple[Ticker, ...] = ()
        """The newest ticker, which a grid keeps beside its state."""
        self.held = held
        """Position of the account before the grid."""
        self.profit = ZERO
        self.fills = 0
        self.opened = 0
        """Number of opening orders placed."""
        self._sweep: tuple[OpenOrders, Position] | None = None
        self._sweep_after = 0
        self._is_stopped = False
        self._has_pooled = False
        """Whether an order closed what several slots held, so that a slot's trades are not those of its orders alone."""
        self.quoting: NotQuoting | None = NotQuoting.NO_PRICE
        self.process(added(settings, instrument))
        self.move(0, 0)
        if settings.preflight:
            self.process(stream(), balance(100_000), position(held))

    def process(self, *inputs: Input) -> Change | None:
        """Process inputs, and check every invariant."""
        state = self.grid.state
        before = encode(state) if state else None
        for each in inputs:
            if isinstance(each, Trade):
                self.delivered_trades[each.trade_id] = each
        change = self.grid.process(inputs)
        after = encode(state_of(self.grid))
        if change is None:
            assert after == before
            assert _replay(before, self.grid.step, (*self._newest_ticker, *inputs))[0] is None
        else:
            replayed, replayed_state = _replay(before, change.step - 1, change.causes)
            assert replayed is not None
            assert _bytes(replayed) == _bytes(change)
            assert replayed_state == after
            self._execute(change)
        self._check()
        return change

    def move(self, steps: int, seconds: int) -> None:
        """Move the price by a number of quarter intervals."""
        self.price = max(self.price + steps * Decimal("2.5"), Decimal(20))
        self._pass(seconds)
        newest = ticker(self.price, self.seconds)
        self.process(newest)
        self._newest_ticker = (newest,)

    def wait(self, seconds: int) -> None:
        self._pass(seconds)
        self.process(silence(self.seconds))

    def lose_feed(self, seconds: int) -> None:
        self._pass(seconds)
        self.process(feed(FeedState.DOWN, self.seconds))

    def see_candle(self, close: int, volume: int, closed: int) -> None:
        minute = int(self.seconds) // 60
        self.process(candle(BTC, minute, close, volume, closed=bool(closed)))

    def arrive(self, index: int, outcome: int) -> None:
        """Deliver a request to the exchange: mostly accepted, sometimes rejected or lost."""
        in_flight = self.exchange.in_flight()
        if not in_flight:
            return
        placed = in_flight[index % len(in_flight)]
        if outcome < len(REASONS):
            self.exchange.reject(placed, REASONS[outcome])
        elif outcome == len(REASONS):
            self.exchange.drop_request(placed)
        else:
            self.exchange.accept(placed)

    def arrive_all(self) -> None:
        for placed in self.exchange.in_flight():
            self.exchange.accept(placed)

    def fill(self, index: int, lots: int) -> None:
        if found := self.exchange.open():
            self.exchange.fill(found[index % len(found)], lots)

    def expire(self, index: int) -> None:
        if found := self.exchange.open():
            self.exchange.expire(found[index % len(found)])

    def deliver(self, index: int) -> None:
        """Deliver a message to the grid."""
        if messages := self.exchange.messages:
            self.process(messages.pop(index % len(messages)))

    def repeat(self, index: int) -> None:
        """Deliver a message to the grid, and keep it for another delivery."""
        if messages := self.exchange.messages:
            self.process(messages[index % len(messages)])

    def deliver_many(self, index: int, number: int) -> None:
        messages = self.exchange.messages
        if messages:
            index %= len(messages)
            batch = messages[index : index + number]
            del messages[index : index + number]
            self.process(*batch)

    def lose(self, index: int) -> None:
        """Lose a message; a query may produce it again."""
        if self.exchange.messages:
            self.exchange.messages.pop(index % len(self.exchange.messages))

    def take_sweep(self) -> None:
        """Take a sweep, to be delivered after all messages sent before it."""
        held = sum((position_change(each) for each in self.exchange.trades), self.held)
        self._sweep = self.exchange.sweep(), position(held, self.seconds)
        self._sweep_after = len(self.exchange.messages)

    def reconcile(self) -> None:
        if self._sweep is not None:
            older, self.exchange.messages = (
                self.exchange.messages[: self._sweep_after],
                self.exchange.messages[self._sweep_after :],
            )
            self.process(*older)
            self.process(*self._sweep)
            self._sweep = None

    def send_command(self, name: CommandName) -> None:
        self.process(command(name))

    def change(self, setting: str, text: str) -> None:
        self.process(command(CommandName.SET, changes={setting: text}))

    def request_dry_run(self) -> None:
        self.process(command(CommandName.RECONCILE, dry_run=True))

    def end_engine(self) -> None:
        self.process(EngineStopping(time=at(self.seconds)))

    def start_engine(self) -> None:
        self.restart()
        self.process(EngineStarted(time=at(self.seconds)))

    def restart(self) -> None:
        """Replace the grid by one restored from its encoded state."""
        self._newest_ticker = ()
        self.grid = Grid(_states.decode(encode(state_of(self.grid))), self.grid.step)

    def settle(self) -> None:
        """Deliver everything and reconcile until neither the grid nor the exchange sends more."""
        for _ in range(40):
            before = self.grid.step
            self.arrive_all()
            while self.exchange.messages:
                self.deliver(0)
                self.arrive_all()
            self.wait(100)
            self.take_sweep()
            self.reconcile()
            if self.grid.step == before and not self.exchange.messages:
                break
        else:
            raise AssertionError("the world does not settle")
        self._check_rest()

    def _pass(self, seconds: int) -> None:
        self.seconds += seconds
        self.exchange.now = at(self.seconds)

    def _execute(self, change: Change) -> None:
        state = state_of(self.grid)
        self.profit += sum((fill.grid_profit for fill in change.fills), ZERO)
        self.fills += len(change.fills)
        self._count_stops(change)
        assert not any(isinstance(each, Reconciled) and each.finding is DIFFERS for each in change.notices)
        self._check_quoting(change)
        for decision in change.decisions:
            assert decision.reason_code is not None
            if isinstance(decision, PlaceOrder):
                self._check_order(state, decision)
            self.exchange.execute(decision)

    def _check_quoting(self, change: Change) -> None:
        for previous, reason in quoting_changes(change):
            assert previous == self.quoting != reason, "the changes do not follow from each other"
            self.quoting = reason
        reason = self.grid.why_not_quoting()
        assert reason in (self.quoting, NotQuoting.AWAITING_VENUE), "a change was not reported"

    def _count_stops(self, change: Change) -> None:
        for each in change.notices:
            if isinstance(each, RiskChanged) and each.severity is Severity.CRITICAL and "stop" in each.reason:
                assert each.active, "a stop is reported as reached"
                assert not self._is_stopped, "a stop was reached twice without a resume"
                self._is_stopped = True
        self._is_stopped &= state_of(self.grid).halt is not None

    def _check_order(self, state: GridState, order: PlaceOrder) -> None:
        slot = state.slots[order.level]
        assert slot.order is not None
        assert slot.order.client_order_id == order.client_order_id
        if not self.exchange.is_forgetful:
            order_ids = self._ids_of(order.level)
            traded = {each.trade_id for each in self.exchange.trades if each.client_order_id in order_ids}
            assert traded <= self.delivered_trades.keys(), (
                "an order was placed before all trades of the previous one"
            )
        halted = halted_by(state)
        assert halted in (None, NotQuoting.FLATTENING), "an order of a halted grid"
        if halted is not None:
            assert not order.post_only
            assert order.reduce_only is (state.instrument.kind is InstrumentKind.LINEAR_PERPETUAL)
            assert 0 < order.quantity <= -order.side.sign * state.accounts.position
        if not slot.order.opens:
            assert slot.held * order.side.sign < 0
            assert closing_left(state, order.side) <= self._held(state, order.side)
            self._has_pooled |= slot.order.pools
            assert slot.order.pools or order.quantity <= abs(slot.held)
            assert not order.reduce_only or order.quantity <= -order.side.sign * state.accounts.position
        else:
            self.opened += 1
            assert blocked_by(state) is None
            assert slot.held * order.side.sign >= 0

    def _held(self, state: GridState, side: Side) -> Decimal:
        return sum((abs(each.held) for each in state.slots.values() if each.held * side.sign < 0), ZERO)

    def _ids_of(self, level: int) -> set[ClientOrderId]:
        return {key for key, placed in self.exchange.orders.items() if placed.order.level == level}

    def _check(self) -> None:
        state = state_of(self.grid)
        accounts, slots = state.accounts, state.slots.values()
        trades = self.delivered_trades.values()
        signed = [position_change(trade) for trade in trades]
        assert accounts.position == sum(signed) + accounts.adopted == sum(slot.held for slot in slots)
        paid = sum(position_change(trade) * trade.price for trade in trades)
        assert accounts.cash == -paid - accounts.adopted_cost
        assert accounts.fees == sum(fee_in_quote(trade) or 0 for trade in trades)
        assert accounts.unmatched_fees == sum(slot.entry_fees for slot in slots)
        assert accounts.grid_profit == self.profit
        assert accounts.opened_trades + accounts.closed_trades == self.fills == len(trades)
        assert len(self.exchange.live()) <= self.settings.order_cleanup_threshold
        if self.settings.mode is GridMode.LONG and not self.exchange.is_forgetful:
            assert all(slot.held >= 0 for slot in slots)
        for side in Side:
            limit = max_position.maximum(state, side)
            assert limit is None or max_position.used(state, side) <= limit
        for price in PRICES:
            unpaired = sum(slot.held * price - slot.cost for slot in slots)
            total = accounts.cash + accounts.position * price - accounts.fees
            assert total == accounts.grid_profit + unpaired - accounts.unmatched_fees
        assert view(state, self.grid.step).position == accounts.position

    def _check_rest(self) -> None:
        state = state_of(self.grid)
        exchange = self.exchange
        adopted = state.accounts.adopted
        assert adopted in {ZERO, self.held}
        assert state.accounts.position - adopted == sum(map(position_change, exchange.trades))
        for slot in state.slots.values():
            own = [each for each in exchange.trades if each.client_order_id in self._ids_of(slot.level)]
            assert adopted or self._has_pooled or slot.held == sum(map(position_change, own))
            assert slot.order is None or exchange.orders[slot.order.client_order_id].is_open
        ours = {slot.order.client_order_id for slot in state.slots.values() if slot.order}
        assert ours == {each.order.client_order_id for each in exchange.live()}


def _replay(before: bytes | None, step: int, inputs: tuple[Input, ...]) -> tuple[Change | None, bytes | None]:
    grid = Grid(_states.decode(before) if before else None, step)
    change = grid.process(inputs)
    return change, encode(grid.state) if grid.state else None


def _bytes(change: Change) -> bytes:
    return msgspec.json.encode(change)
