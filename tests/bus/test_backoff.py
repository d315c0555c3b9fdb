"""Back-off between retries."""

from bus.backoff import Backoff


def test_delays_double_up_to_the_maximum() -> None:
    backoff = Backoff(0.5, 3.0)

    assert [backoff.delay() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_reset_starts_from_the_first_delay() -> None:
    backoff = Backoff(0.5, 3.0)
    backoff.delay()
    backoff.reset()

    assert backoff.delay() == 0.5
