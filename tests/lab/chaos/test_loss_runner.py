"""A run of the loss laboratory on a real stack."""

from pathlib import Path

import pytest

from cli.config.file import DEFAULT_FILE, load
from lab.chaos.loss_runner import LossSettings, run_losses, run_restore
from lab.chaos.losses import LossKind, single_cases
from lab.chaos.runner import with_volatile_market

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


def loss_settings(root: Path) -> LossSettings:
    return LossSettings(configuration=with_volatile_market(load(DEFAULT_FILE), 8), root=root)


async def test_trading_goes_on_after_every_loss(tmp_path: Path) -> None:
    settings = loss_settings(tmp_path)
    streams = ("CANDLES", "ORDERS", "JOURNAL", "KV_symbols", "KV_lease")
    results = await run_losses(settings, single_cases(list(LossKind), streams), print)

    assert [result for result in results if not result.holds] == []


async def test_a_restored_bus_agrees_with_the_venue(tmp_path: Path) -> None:
    result = await run_restore(loss_settings(tmp_path), print)

    assert (result.violations, result.not_trading) == ({name: [] for name in result.violations}, ())
