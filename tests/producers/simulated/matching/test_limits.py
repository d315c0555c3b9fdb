"""Limits, status and fee assets that an instrument states: the venue rejects and charges by them."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

import msgspec
import pytest

from producers.simulated.listing import Listing
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.orders import VenueRejection
from schemas.units import Side
from schemas.venue.instruments import Instrument, InstrumentStatus, LeverageBracket, PriceBand
from schemas.venue.orders import RejectReason, Trade
from tests.producers.simulated.examples import (
    PERP,
    PERPETUAL,
    SPOT_INSTRUMENT,
    START_NS,
    apply_tick,
    new_engine,
    order,
)

BRACKETS = tuple(
    LeverageBracket(
        notional_floor=D(floor), notional_cap=D(cap), maximum_leverage=D(leverage), maintenance_ratio=D(ratio)
    )
    for floor, cap, leverage, ratio in ((0, 150, 10, "0.01"), (150, 1000, 5, "0.1"))
)


def engine(rules: Instrument, *, price: str | None = None, **assets: str) -> MatchingEngine:
    """Return an engine with these rules for one symbol, the price of its fee asset, and more of some assets."""
    matching = new_engine()
    listing = matching.listing(rules.symbol)
    new = listing._replace(rules=rules, fee_asset_price=None if price is None else D(price))
    return MatchingEngine(
        rules.venue,
        {rules.symbol: Listing(*new)},
        [
            msgspec.structs.replace(wallet, asset=asset, initial=D(total), total=D(total))
            for wallet in [matching.account.wallets["USDT"]]
            for asset, total in ({"USDT": "10000", "ETH": "0"} | assets).items()
        ],
        matching.account.quotes,
    )


def limited(**fields: object) -> MatchingEngine:
    return engine(msgspec.structs.replace(PERPETUAL, **fields))


@pytest.mark.parametrize(
    ("limits", "price", "quantity", "reason"),
    [
        ({"maximum_quantity": D(2)}, "99", "2.001", RejectReason.ABOVE_MAXIMUM),
        ({"maximum_notional": D(200)}, "99", "2.1", RejectReason.ABOVE_MAXIMUM),
        ({"buy_band": PriceBand(below=D("0.05"))}, "94.9", "1", RejectReason.PRICE_BAND),
        ({"status": InstrumentStatus.HALTED}, "99", "1", RejectReason.NOT_TRADING),
        ({"status": InstrumentStatus.DELISTED}, "99", "1", RejectReason.NOT_TRADING),
        ({"leverage_brackets": BRACKETS}, "99", "2", RejectReason.POSITION_LIMIT),
        ({"leverage_brackets": BRACKETS[:1]}, "99", "20", RejectReason.POSITION_LIMIT),
    ],
)
def test_an_order_beyond_a_limit_is_rejected(
    limits: dict[str, object], price: str, quantity: str, reason: RejectReason
) -> None:
    with pytest.raises(VenueRejection) as rejected:
        limited(**limits).place(order(Side.BUY, price, quantity), START_NS)
    assert rejected.value.reason is reason


@pytest.mark.parametrize(
    ("limits", "price", "quantity"),
    [
        ({"maximum_quantity": D(2)}, "99", "2"),
        ({"maximum_notional": D(198)}, "99", "2"),
        ({"buy_band": PriceBand(below=D("0.05")), "sell_band": PriceBand(highest=D(1))}, "95", "1"),
        ({"leverage_brackets": BRACKETS}, "99", "1.5"),
    ],
)
def test_an_order_within_the_limits_is_accepted(limits: dict[str, object], price: str, quantity: str) -> None:
    matching = limited(**limits)
    matching.place(order(Side.BUY, price, quantity), START_NS)
    assert len(matching.open_orders(PERP)) == 1


def test_a_small_close_needs_the_exemption() -> None:
    exempt, strict = (
        limited(minimum_notional=D(50), closes_exempt_from_minimum=each) for each in (True, False)
    )
    close = order(Side.SELL, "100.1", "0.1", "b", reduce_only=True)
    for matching in (exempt, strict):
        matching.place(order(Side.BUY, "100.1"), START_NS)
    exempt.place(close, START_NS)
    with pytest.raises(VenueRejection, match="minimum_notional"):
        strict.place(close, START_NS)


def test_nothing_is_filled_while_the_market_is_halted() -> None:
    matching = limited()
    matching.place(order(Side.BUY, "99"), START_NS)
    matching.replace_rules(msgspec.structs.replace(PERPETUAL, status=InstrumentStatus.HALTED), START_NS)
    apply_tick(matching, "98")
    assert len(matching.open_orders(PERP)) == 1
    matching.replace_rules(PERPETUAL, START_NS)
    apply_tick(matching, "98")
    assert matching.open_orders(PERP) == []


def test_maintenance_margin_follows_the_brackets() -> None:
    matching = engine(
        msgspec.structs.replace(PERPETUAL, leverage_brackets=BRACKETS, taker_fee=D(0)), USDT="15"
    )
    matching.place(order(Side.BUY, "100.1", "1.4"), START_NS)
    assert matching.account.below_maintenance() == []
    apply_tick(matching, "90.3")
    assert matching.account.below_maintenance() == []
    apply_tick(matching, "90.0")
    assert matching.account.below_maintenance() == [[matching.account.holdings[PERP]]]


def charged(matching: MatchingEngine, side: Side = Side.BUY) -> tuple[D, str]:
    """Fill an order of one unit and return the fee of its trade."""
    (symbol,) = matching.account.open_orders
    price = "100.1" if side is Side.BUY else "100.0"
    matching.place(order(side, price, symbol=symbol), START_NS)
    (trade,) = (
        u.event for u in matching.take_changes(START_NS, at_tick=False).events if isinstance(u.event, Trade)
    )
    wallet = matching.account.wallets[trade.fee_asset]
    assert wallet.fees == trade.fee
    assert wallet.total == wallet.initial + wallet.realized - wallet.fees
    return trade.fee, trade.fee_asset


@pytest.mark.parametrize(
    ("rules", "side", "fee"),
    [
        (SPOT_INSTRUMENT, Side.BUY, (D("0.1001"), "USDT")),
        (msgspec.structs.replace(SPOT_INSTRUMENT, fee_asset="received"), Side.BUY, (D("0.001"), "ETH")),
        (msgspec.structs.replace(SPOT_INSTRUMENT, fee_asset="received"), Side.SELL, (D("0.1"), "USDT")),
        (msgspec.structs.replace(PERPETUAL, fee_asset="received"), Side.BUY, (D("0.05005"), "USDT")),
    ],
)
def test_the_fee_is_charged_by_the_rule(rules: Instrument, side: Side, fee: tuple[D, str]) -> None:
    assert charged(engine(rules, ETH="5"), side) == fee


@pytest.mark.parametrize(
    ("held", "side", "fee"),
    [
        ("1", Side.BUY, (D("0.0001001"), "BNB")),
        ("0.0001", Side.BUY, (D("0.001"), "ETH")),
        ("0.0000999", Side.SELL, (D("0.1"), "USDT")),
    ],
)
def test_a_fee_asset_that_runs_out_is_replaced_by_what_is_received(
    held: str, side: Side, fee: tuple[D, str]
) -> None:
    rules = msgspec.structs.replace(SPOT_INSTRUMENT, fee_asset="BNB")
    assert charged(engine(rules, price="1000", BNB=held, ETH="5"), side) == fee


@pytest.mark.parametrize(
    ("rules", "price", "is_accepted"),
    [(PERPETUAL, "96", False), (PERPETUAL, "105", True), (SPOT_INSTRUMENT, "96", True)],
)
def test_the_price_band_of_a_perpetual_is_relative_to_the_mark_price(
    rules: Instrument, price: str, *, is_accepted: bool
) -> None:
    matching = engine(msgspec.structs.replace(rules, buy_band=PriceBand(below=D("0.05"))), ETH="5")
    quote = msgspec.structs.replace(matching.account.quotes[rules.symbol], ask=D(200), mark=D(110))
    matching.account.quotes[rules.symbol] = quote
    new = order(Side.BUY, price, symbol=rules.symbol)
    if is_accepted:
        matching.place(new, START_NS)
    else:
        with pytest.raises(VenueRejection, match="outside the price band at 110"):
            matching.place(new, START_NS)


def test_a_sale_whose_fee_is_in_base_locks_the_fee_as_well() -> None:
    rules = msgspec.structs.replace(SPOT_INSTRUMENT, fee_asset="ETH")
    matching = engine(rules, ETH="1")
    with pytest.raises(VenueRejection, match=r"order needs 1\.00100000 ETH, 1 is free"):
        matching.place(order(Side.SELL, "100", "1", symbol=rules.symbol), START_NS)
    matching.place(order(Side.SELL, "100", "0.999", symbol=rules.symbol), START_NS)
    assert matching.account.wallets["ETH"].total == D("0.000001")
