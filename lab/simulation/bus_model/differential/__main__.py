"""`python -m lab.simulation.bus_model.differential`: compare the model of the bus with the real nats-server."""

import argparse
import sys
import time

from lab.simulation.bus_model.differential.comparison import DifferenceError
from lab.simulation.bus_model.differential.runner import compare


def main() -> int:
    """Run the comparison; return 1 when the servers differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--operations", type=int, default=100_000, help="number of operations (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the generated operations (default: %(default)s)"
    )
    arguments = parser.parse_args()
    started = time.monotonic()

    def progress(done: int, restarts: int) -> None:
        print(f"{done:>9,} operations, {restarts} restarts, {time.monotonic() - started:.0f} s", flush=True)

    try:
        kinds = compare(arguments.operations, arguments.seed, progress)
    except DifferenceError as error:
        print(f"seed {arguments.seed}: {error}", file=sys.stderr)
        return 1
    for kind, count in kinds.most_common():
        print(f"{count:>9,} {kind}")
    print(f"{sum(kinds.values()):,} operations, no difference, {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
