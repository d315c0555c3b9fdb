"""Generated stream configurations, valid and invalid ones."""

import random
from typing import Any

NAMES = ("S0", "S1", "S2", "S3", "S4")
SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
INVALID: tuple[dict[str, Any], ...] = (
    {"name": "other"},
    {"name": ""},
    {"name": "a.b"},
    {"storage": "tape"},
    {"discard": "some"},
    {"subjects": ["a..b"]},
    {"subjects": ["z.>", "z.>"]},
    {"subjects": ["z.>", "z.a"]},
    {"subjects": ["z.*.b", "z.a.*"]},
    {"subjects": [">"]},
    {"subjects": ["$JS.API.>"]},
    {"subjects": ["$SYS.>"]},
    {"subjects": "z"},
    {"max_age": 5},
    {"max_age": -1},
    {"max_age": SECOND_NS, "duplicate_window": 2 * SECOND_NS},
    {"duplicate_window": -1},
    {"duplicate_window": 5},
    {"num_replicas": 3},
    {"num_replicas": 9},
    {"num_replicas": -1},
    {"deny_purge": True, "allow_rollup_hdrs": True},
    {"discard": "old", "discard_new_per_subject": True},
    {"discard": "new", "discard_new_per_subject": True, "max_msgs_per_subject": 0},
    {"description": "x" * 5000},
    {"republish": {"src": "s0.>", "dest": "s0.>"}},
    {"republish": {"src": "z.>", "dest": "y.*"}},
    {"max_bytes": 10**15},
    {"max_msgs": "many"},
    {"sealed": True},
)


def random_config(random: random.Random, name: str) -> dict[str, Any]:
    """Return a configuration of a stream, as in a request; rarely an invalid one."""
    token = name.lower()
    config: dict[str, Any] = {
        "name": name,
        "subjects": random.choice(
            [[f"{token}.>"], [f"{token}.>"], [f"{token}.a.*", f"{token}.b.>"], [f"{token}.*"]]
        ),
        "storage": random.choice(["file", "memory"]),
        "allow_direct": random.random() < 0.95,
        "republish": {"src": f"{token}.>", "dest": f"live.{token}.>"} if random.random() < 0.8 else None,
        "discard": random.choice(["old", "new"]),
        "max_msgs_per_subject": random.choice([-1, -1, 0, 1, 2, 5]),
        "max_msgs": random.choice([-1, -1, 0, 10, 50]),
        "max_bytes": random.choice([-1, -1, 0, 2000, 100_000]),
        "max_age": random.choice([0, 0, HOUR_NS]),
        "max_msg_size": random.choice([-1, -1, 0, 200]),
        "allow_msg_ttl": random.random() < 0.4,
        "allow_rollup_hdrs": random.random() < 0.5,
        "deny_delete": random.random() < 0.1,
        "duplicate_window": random.choice([0, 0, 60 * SECOND_NS]),
        "num_replicas": random.choice([0, 1]),
        "retention": "limits",
    }
    if random.random() < 0.3:
        config["description"] = random.choice(["plain", "<&>", "größer \u2028"])
    if random.random() < 0.1:
        config["metadata"] = {"b": "2", "a": "1"}
    if config["discard"] == "new" and config["max_msgs_per_subject"] > 0 and random.random() < 0.5:
        config["discard_new_per_subject"] = True
    if not config["allow_rollup_hdrs"] and random.random() < 0.1:
        config["deny_purge"] = True
    if random.random() < 0.12:
        config |= random.choice(INVALID)
    return {key: value for key, value in config.items() if value is not None and random.random() < 0.97}
