"""The clock of the venue says whether the market is a recording, and which."""

from pathlib import Path

from schemas.venue.market import Recording
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import new_settings, recording_settings


async def test_clock_names_the_recording_and_its_speed(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(recording_settings(tmp_path, ["100 101 99 100"] * 3, speed=600.0))
    reading = await (await new_client(served.url)).clock()

    assert reading.recording == Recording(name="candles.csv", speed=600.0)


async def test_clock_of_a_generated_market_names_no_recording(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(new_settings(tmp_path))

    assert (await (await new_client(served.url)).clock()).recording is None
