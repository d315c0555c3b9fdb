"""`bench engine`: throughput of the core on one core, beside decoding the same events alone.

The events are those of a grid on a seeded random walk: tickers, and the reports and trades of its orders. Tickers that
change nothing count as inputs too, as on a real feed.
"""

import time

from engine.core.grid import Grid
from lab.bench.report import Report, machine
from lab.bench.trading.random_walk import inputs
from schemas.codec import decode, encode
from schemas.engine.journal import Input


def run(ticks: int = 200_000, seed: int = 1) -> Report:
    """Measure the core over `ticks` tickers and the inputs they cause."""
    bodies = [encode(event) for event in inputs(ticks, seed)]
    decoding_s = _time_decoding(bodies)
    total_s, steps, fills = _time_core(bodies)
    core_s = total_s - decoding_s
    return Report(
        name="engine",
        machine=machine(),
        figures={
            "inputs": len(bodies),
            "steps": steps,
            "fills": fills,
            "inputs_per_s": len(bodies) / core_s,
            "steps_per_s": steps / core_s,
            "core_us_per_input": core_s / len(bodies) * 1e6,
        },
        baselines={
            "decoding_alone_inputs_per_s": len(bodies) / decoding_s,
            "decoding_alone_us_per_input": decoding_s / len(bodies) * 1e6,
        },
        ratios={"core_to_decoding_time": core_s / decoding_s},
    )


def _time_decoding(bodies: list[bytes]) -> float:
    started = time.perf_counter()
    for body in bodies:
        decode(body)
    return time.perf_counter() - started


def _time_core(bodies: list[bytes]) -> tuple[float, int, int]:
    """Return the seconds for decoding and processing, the number of steps, and the number of fills."""
    grid = Grid(None, 0)
    fills = 0
    started = time.perf_counter()
    for body in bodies:
        event = decode(body)
        assert isinstance(event, Input)
        change = grid.process((event,))
        if change is not None:
            fills += len(change.fills)
    return time.perf_counter() - started, grid.step, fills
