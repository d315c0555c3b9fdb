"""The loss laboratory: cases, injection, the steps that survive, the table."""

import msgspec
import pytest

from bus import Bus
from lab.chaos.loss_observer import SymbolHistory
from lab.chaos.loss_runner import IDS_ONCE, LossResult
from lab.chaos.losses import ALL_STREAMS, Loss, LossKind, copy_streams, inject, pair_cases, single_cases
from lab.chaos.losses_command import main, report
from schemas.engine.journal import Step, TimePassed
from tests.builders import FILL, STEP
from tests.bus.events import store_many

KINDS = list(LossKind)


def committed(number: int, *, is_claim: bool = False) -> Step:
    causes = () if is_claim else (TimePassed(time=0),)
    fill = msgspec.structs.replace(FILL, step=number)
    return msgspec.structs.replace(STEP, step=number, causes=causes, fills=() if is_claim else (fill,))


def booked(*steps: Step) -> list[int]:
    """Return the steps whose fills the last state results from."""
    history = SymbolHistory()
    for step in steps:
        history.add(step)
    return [fill.step for fill in history.fills]


def test_every_stream_is_lost_in_every_way_alone_and_in_pairs() -> None:
    singles, pairs = single_cases(KINDS, ALL_STREAMS), pair_cases(KINDS, ALL_STREAMS)

    assert len(singles) == len(set(singles)) == 3 * len(ALL_STREAMS)
    assert len(pairs) == 3 * len(ALL_STREAMS) * (len(ALL_STREAMS) - 1) // 2
    assert (Loss(LossKind.PURGE, "JOURNAL"), Loss(LossKind.PURGE, "KV_lease")) in pairs


@pytest.mark.parametrize("kind", KINDS)
async def test_a_loss_is_injected(bus: Bus, kind: LossKind) -> None:
    await store_many(bus, "order.sim.BTC-USDT.report", 2)
    copies = await copy_streams(bus, ["ORDERS"])
    await store_many(bus, "order.sim.BTC-USDT.report", 1)
    await inject(bus, (Loss(kind, "ORDERS"),), copies)

    names = (await bus.api("STREAM.NAMES", None, dict))["streams"]
    left = (await bus.stream_state("ORDERS")).messages if "ORDERS" in names else None
    assert left == {LossKind.PURGE: 0, LossKind.DELETE: None, LossKind.RESTORE: 2}[kind]


def test_steps_that_are_repeated_replace_the_earlier_ones() -> None:
    one, two, three = committed(1), committed(2), committed(3)

    assert booked(one, two, three) == [1, 2, 3]
    assert booked(one, two, committed(2, is_claim=True), three) == [1, 2, 3]
    assert booked(one, two, three, committed(1, is_claim=True), two) == [1, 2]
    assert booked(one, two, one) == [1]


def test_the_table_shows_failed_cases_in_full() -> None:
    good = LossResult(losses=("purge MARKET",), trading_after_s=1.5, log_events={"engine offset_lost": 2})
    bad = LossResult(
        losses=("delete JOURNAL",),
        trading_after_s=None,
        not_trading=(FILL.symbol,),
        violations={IDS_ONCE: ["x arrived 2 times"]},
        data="/tmp/data",
    )
    text = report([good, bad])

    assert (
        "purge MARKET            1.5 s  sent once   agree  hold          engine offset_lost: 2 times" in text
    )
    assert "delete JOURNAL          never  SENT TWICE  agree  hold          none" in text
    assert "x arrived 2 times" in text
    assert "2 cases, 1 failed" in text
    assert (good.holds, bad.holds) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--losses", "burn"], "--losses burn: choose from purge,delete,restore"),
        (["--losses", "--streams", "OTHER"], "--streams OTHER: choose from MARKET,"),
        (["--losses", "--pairs", "--streams", "ORDERS"], "--pairs needs at least two streams"),
    ],
)
def test_invalid_options_are_refused(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert text in capsys.readouterr().err
