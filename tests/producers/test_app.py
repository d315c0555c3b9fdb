"""Tests of the composition of the producers."""

from producers.app import Settings, _entry
from schemas.units import SECOND_NS, VenueId


def test_no_order_is_late_in_lock_step() -> None:
    settings = Settings(bus="nats://x", name="g", venue=VenueId("sim"), venue_url="http://x", lock_step=True)
    assert _entry(settings).receive_window == 60 * SECOND_NS
