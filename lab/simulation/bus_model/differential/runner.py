"""A run of the comparison: generated operations, restarts of the server in between, and a phase in which things expire."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable

from lab.simulation.bus_model.differential.choices import encode
from lab.simulation.bus_model.differential.comparison import Comparison
from lab.simulation.bus_model.differential.operations import Operations

OPERATIONS_PER_RESTART = 2500
EXPIRY_S = 6.0
"""More than the life of what expires, and the server's delay."""

Progress = Callable[[int, int], None]
"""Receives the numbers of operations so far, and of restarts."""


def compare(
    operations: int, seed: int, progress: Progress = lambda _done, _restarts: None, *, expiries: int = 1
) -> Counter[str]:
    """Compare the servers over so many operations; return how many there were of each kind.

    Raises: DifferenceError.
    """
    chosen = random.Random(seed)
    kinds: Counter[str] = Counter()
    with Comparison(seed) as comparison:
        generated = Operations(comparison, chosen)
        for _ in range(expiries):
            compare_expiry(comparison, generated)
            kinds["expiry"] += 1
        next_restart = min(operations // 4, OPERATIONS_PER_RESTART)
        while sum(kinds.values()) < operations:
            kinds[generated.step()] += 1
            done = sum(kinds.values())
            if done >= next_restart:
                next_restart = done + chosen.randint(OPERATIONS_PER_RESTART // 5, OPERATIONS_PER_RESTART)
                generated.compare_all()
                comparison.restart(is_killed=generated.may_be_killed)
                generated.forget_subscriptions()
                generated.compare_all()
                generated.begin(has_removals=chosen.random() < 0.6)
                kinds["restart"] += 1
                progress(done, kinds["restart"])
        generated.compare_all()
    return kinds


def compare_expiry(comparison: Comparison, generated: Operations) -> None:
    """Compare how messages and message ids expire: by age, by their own TTL, in all combinations."""
    second = 1_000_000_000
    configs: dict[str, dict[str, object]] = {
        "AGE": {"max_age": 2 * second},
        "TTL": {"allow_msg_ttl": True},
        "BOTH": {"allow_msg_ttl": True, "max_age": 2 * second, "max_msgs_per_subject": 1},
        "IDS": {"duplicate_window": second},
    }
    for number, (name, config) in enumerate(configs.items()):
        for storage in ("file", "memory"):
            full = f"{name}-{storage}"
            body: dict[str, object] = {
                "name": full,
                "subjects": [f"x{number}-{storage}.>"],
                "storage": storage,
                "allow_direct": True,
            }
            create = encode(
                f"$JS.API.STREAM.CREATE.{full}", f"r.0.{full}", json.dumps(body | config).encode()
            )
            comparison.send(0, create)
            comparison.compare()
            for each, ttl in enumerate(("", "1", "2s", "never", "1h", "1")):
                lines = f"Nats-Msg-Id: {each % 5}\r\n" + (f"Nats-TTL: {ttl}\r\n" if ttl else "")
                subject = f"x{number}-{storage}.{each % 4}"
                comparison.send(0, encode(subject, f"r.0.{full}{each}", b"data", lines))
            comparison.compare()
    time.sleep(EXPIRY_S)
    generated.compare_all()
    for number, name in enumerate(configs):
        for storage in ("file", "memory"):
            lines = "Nats-Msg-Id: 1\r\n"
            comparison.send(0, encode(f"x{number}-{storage}.1", f"r.0.again{number}{storage}", b"", lines))
            comparison.compare()
            comparison.send(
                0, encode(f"$JS.API.STREAM.DELETE.{name}-{storage}", f"r.0.gone{name}{storage}", b"")
            )
            comparison.compare()
