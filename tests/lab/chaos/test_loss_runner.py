"""A run of the loss laboratory on a real stack."""

from pathlib import Path

import pytest

from cli.config.file import DEFAULT_FILE, load
from lab.chaos.loss_runner import LossSettings, run_losses
from lab.chaos.losses import LossKind, single_cases
from lab.chaos.runner import with_volatile_market

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


async def test_trading_goes_on_after_every_loss(tmp_path: Path) -> None:
    settings = LossSettings(configuration=with_volatile_market(load(DEFAULT_FILE), 8), root=tmp_path)
    streams = ("CANDLES", "ORDERS", "JOURNAL", "KV_symbols", "KV_lease")
    results = await run_losses(settings, single_cases(list(LossKind), streams), print)

    assert [result for result in results if not result.holds] == []
