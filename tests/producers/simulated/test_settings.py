"""Settings of a venue: what is refused before it starts."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from producers.simulated.settings import RecordingSettings, SettingsError, check, read_settings
from schemas.units import VenueId
from tests.producers.simulated.examples import PERP, new_settings, perpetual_settings


def test_settings_come_back_from_json(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, recording=RecordingSettings(paths={PERP: "x.csv"}))
    path = tmp_path / "venue.json"
    path.write_bytes(msgspec.json.encode(settings))

    assert read_settings(path) == settings


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "venue.json"
    path.write_text('{"store": "x", "symbols": [], "balances": {}, "sped": 2}')

    with pytest.raises(SettingsError, match="unknown field `sped`"):
        read_settings(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_settings(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"symbols": ()}, "name at least one"),
        ({"symbols": (perpetual_settings(), perpetual_settings())}, "named twice"),
        ({"venue": VenueId("paper")}, "the instrument is of venue sim, not paper"),
        ({"balances": {"USDT": Decimal(-1)}}, "USDT is negative"),
        ({"balances": {"USDT": Decimal("NaN")}}, "USDT is not a number"),
        ({"recording": RecordingSettings(paths={})}, "one file for every symbol"),
        (
            {"symbols": (msgspec.structs.replace(perpetual_settings(), leverage=Decimal(50)),)},
            "leverage 50 is not in 1..20",
        ),
        (
            {"symbols": (msgspec.structs.replace(perpetual_settings(), traded_notional=Decimal(0)),)},
            "traded_notional has to be above zero",
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        check(new_settings(tmp_path, **changes))
