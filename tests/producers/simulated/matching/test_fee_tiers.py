"""Fee tiers: fees and rebates by what the account traded in the 30 days before today."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.parameters import DAY_NS, FeeTier
from schemas.units import Side
from tests.producers.simulated.examples import AMPLE_LIQUIDITY, PERP, START_NS, new_engine, order, quote

BUY, SELL = Side.BUY, Side.SELL
TIERS = (
    FeeTier(volume=D(1000), maker_fee=D("0.0001"), taker_fee=D("0.0004")),
    FeeTier(volume=D(2000), maker_fee=D("-0.00005"), taker_fee=D("0.0003")),
)
TODAY = START_NS - START_NS % DAY_NS


def taker_fee(matching: MatchingEngine, time: int, quantity: str = "10") -> D:
    """Buy as taker at 100 and return the fee rate of the trade."""
    matching.account.quotes[PERP] = quote("99.9")
    matching.place(order(BUY, "100", quantity), time)
    (trade,) = matching.take_changes(time, at_tick=False).trades
    return trade.fee / (trade.price * trade.quantity)


def test_the_tier_follows_the_volume_of_the_days_before_today() -> None:
    matching = new_engine(fee_tiers=TIERS)
    assert [taker_fee(matching, TODAY + hour) for hour in (0, 1)] == [D("0.0005")] * 2
    assert taker_fee(matching, TODAY + DAY_NS) == D("0.0003")  # 2000 yesterday


def test_a_day_of_more_than_30_days_ago_no_longer_counts() -> None:
    matching = new_engine(fee_tiers=TIERS)
    taker_fee(matching, TODAY)
    assert taker_fee(matching, TODAY + 30 * DAY_NS) == D("0.0004")
    assert taker_fee(matching, TODAY + 31 * DAY_NS) == D("0.0004")  # that of 30 days later
    assert taker_fee(matching, TODAY + 92 * DAY_NS) == D("0.0005")
    assert list(matching.counters.traded["USDT"]) == [TODAY // DAY_NS + 92]


def test_a_maker_rebate_is_received() -> None:
    matching = new_engine(fee_tiers=TIERS)
    taker_fee(matching, TODAY, "20")
    before = matching.account.wallets["USDT"].total
    later = TODAY + DAY_NS
    matching.place(order(BUY, "99"), later)
    matching.apply_tick(PERP, quote("98"), lambda: AMPLE_LIQUIDITY, later)
    (trade,) = matching.take_changes(later, at_tick=True).trades
    assert trade.fee == D("-0.00495")
    assert matching.account.wallets["USDT"].total == before + D("0.00495")


def test_the_rules_state_the_fees_of_the_tier() -> None:
    matching = new_engine(fee_tiers=TIERS)
    taker_fee(matching, TODAY)
    assert matching.rules(PERP, TODAY).taker_fee == D("0.0005")
    rules = matching.rules(PERP, TODAY + DAY_NS)
    assert (rules.maker_fee, rules.taker_fee) == (D("0.0001"), D("0.0004"))
