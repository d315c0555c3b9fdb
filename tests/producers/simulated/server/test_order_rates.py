"""Order-rate windows: orders beyond them are answered with 429 and the time until the window ends."""

from pathlib import Path

import pytest

from producers.ports import Overloaded
from producers.simulated.parameters import OrderRateWindow
from producers.simulated.server.order_rates import OrderRates
from schemas.units import SECOND_NS, Side
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, START_NS, decision, recording_settings

SHORT = OrderRateWindow(orders=2, interval=10 * SECOND_NS)
LONG = OrderRateWindow(orders=3, interval=60 * SECOND_NS)
MINUTE = START_NS - START_NS % (60 * SECOND_NS)


def test_a_full_window_says_when_it_ends() -> None:
    rates = OrderRates((SHORT,))
    waits = [rates.count_or_wait(MINUTE + second * SECOND_NS) for second in (0, 5, 6, 9, 10)]
    assert waits == [None, None, 4.0, 1.0, None]


def test_the_longest_wait_of_all_windows_counts_and_a_refused_order_does_not() -> None:
    rates = OrderRates((SHORT, LONG))
    waits = [rates.count_or_wait(MINUTE + second * SECOND_NS) for second in (0, 0, 0, 10, 11, 60)]
    assert waits == [None, None, 10.0, None, 49.0, None]


def test_without_windows_nothing_is_limited() -> None:
    rates = OrderRates(())
    assert [rates.count_or_wait(MINUTE) for _ in range(1000)] == [None] * 1000


async def test_the_venue_answers_with_the_wait(serve: Serve, new_client: NewClient, tmp_path: Path) -> None:
    window = OrderRateWindow(orders=1, interval=3600 * SECOND_NS)
    served = await serve(recording_settings(tmp_path, ["100 101 99 100"] * 2, order_rate_windows=(window,)))
    client = await new_client(served.url)
    await client.place(PERP, decision(Side.BUY, "90", "a"))
    with pytest.raises(Overloaded, match="too many orders") as caught:
        await client.place(PERP, decision(Side.BUY, "90", "b"))
    assert 0 < caught.value.retry_after_s <= 3600
    assert len(await client.open_orders(PERP)) == 1
