"""Each trading benchmark, at its smallest size: it runs and returns a report."""

from collections.abc import Callable

import pytest

from lab.bench.__main__ import BENCHMARKS
from lab.bench.report import Report
from lab.bench.trading import commit, recovery, symbols, takeover
from lab.bench.trading.random_walk import realistic_step
from schemas.codec import decode, encode

SMALL: dict[str, Callable[[], Report]] = {
    "commit": lambda: commit.run(commits=20),
    "recovery": lambda: recovery.run(short=200, long=400, starts=1),
    "symbols": lambda: symbols.run(many=3, one_s=2.0, many_s=2.0),
    "takeover": lambda: takeover.run(rounds=1),
}


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_reports_positive_baselines_and_ratios(name: str) -> None:
    report = SMALL[name]()

    assert name in BENCHMARKS
    assert report.name == name
    assert all(value > 0 for value in (*report.baselines.values(), *report.ratios.values()))


def test_the_realistic_step_has_decisions_and_can_be_decoded() -> None:
    step = realistic_step()

    assert step.decisions
    assert decode(encode(step)) == step
