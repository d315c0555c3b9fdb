"""Each benchmark, as small as it runs: that it measures something, not what."""

from collections.abc import Callable

import pytest

from lab.bench.__main__ import BENCHMARKS
from lab.bench.report import Report
from lab.bench.trading import commit, recovery, symbols, takeover
from lab.bench.trading.step import genuine_step
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
def test_it_measures_beside_a_baseline(name: str) -> None:
    report = SMALL[name]()

    assert name in BENCHMARKS
    assert report.name == name
    assert all(value > 0 for value in (*report.baselines.values(), *report.ratios.values()))


def test_a_step_of_a_benchmark_is_one_of_an_engine() -> None:
    step = genuine_step()

    assert step.decisions
    assert decode(encode(step)) == step
