"""Settings of the simulated venue: decoding and validation."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from producers.simulated.settings import RecordingSettings, SettingsError, check, read_settings
from schemas.units import VenueId
from tests.producers.simulated.examples import PERP, new_settings, perpetual_settings


def test_settings_round_trip_through_json(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, recording=RecordingSettings(paths={PERP: "x.csv"}))
    path = tmp_path / "venue.json"
    path.write_bytes(msgspec.json.encode(settings))

    assert read_settings(path) == settings


def test_unknown_key_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "venue.json"
    path.write_text('{"store": "x", "symbols": [], "balances": {}, "sped": 2}')

    with pytest.raises(SettingsError, match="unknown field `sped`"):
        read_settings(path)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_settings(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"symbols": ()}, "symbols: at least one is required"),
        ({"symbols": (perpetual_settings(), perpetual_settings())}, "listed twice"),
        ({"venue": VenueId("paper")}, "the instrument's venue is sim, not paper"),
        ({"balances": {"USDT": Decimal(-1)}}, "USDT is negative"),
        ({"balances": {"USDT": Decimal("NaN")}}, "USDT is not a number"),
        ({"recording": RecordingSettings(paths={})}, "exactly one file for each symbol"),
        (
            {"symbols": (msgspec.structs.replace(perpetual_settings(), leverage=Decimal(50)),)},
            r"leverage 50 must be in 1\.\.20",
        ),
        (
            {"symbols": (msgspec.structs.replace(perpetual_settings(), traded_notional=Decimal(0)),)},
            "traded_notional must be above zero",
        ),
    ],
)
def test_invalid_settings_are_rejected(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        check(new_settings(tmp_path, **changes))
