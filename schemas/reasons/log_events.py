"""The events in the logs of the parts, `DATA/logs`, that concern an operator."""

from schemas.reasons.explanation import Explanation

LOG_EVENTS: dict[str, Explanation] = {
    "commit_failed": Explanation(
        "The bus did not acknowledge within 5 s; the symbol's actor restarts from its last step.",
        "See whether the bus has disk space and answers with: ./opensqt status",
    ),
    "fenced": Explanation(
        "Another process took over the symbol; this one stops and waits.",
        "Nothing if it was paused or cut off. If it repeats, a process without leases runs: stop it.",
    ),
    "member_expired": Explanation(
        "An engine or gateway sent no heartbeat for 1.8 s; the others take over its symbols.",
        "Read its log; check the machine's load.",
    ),
    "lease_lost": Explanation(
        "This process sent no heartbeat for 1.8 s, and the others take over its symbols.",
        "Check the machine's load.",
    ),
    "bucket_entry_restored": Explanation(
        "An entry had vanished from a bucket, or was set back, without being deleted; it was put back.",
        "Find out who purged, deleted or restored the bucket.",
    ),
    "steps_lost": Explanation("Steps were purged, changed or restored; the engine resynchronizes."),
    "intents_lost": Explanation(
        "Intents or steps were purged or restored; the gateway queries the orders of recent steps instead of sending them.",
        "Nothing to do: the engine resynchronizes.",
    ),
    "orders_stream_changed": Explanation(
        "ORDERS was purged, recreated or restored, or another process stored trades; the venue's trades are stored again.",
        "Nothing to do: the engine asks for older ones if it needs them.",
    ),
    "sweep_request_ignored": Explanation(
        "The engine asked for the trades of a symbol that this account publisher does not sweep.",
        "Add the symbol, or end the other publisher.",
    ),
    "engine_heartbeat_lost": Explanation(
        "The gateway receives no heartbeat from the symbol's engine: it cancels the opening orders.",
        "Continue or restart the engine, or start another: ./opensqt engine --config FILE",
    ),
    "outcome_unknown": Explanation(
        "The venue did not answer a request, which it may have processed; the order is queried before anything is repeated."
    ),
    "undecodable": Explanation(
        "A message on the bus is not valid and was skipped.",
        "Find out which program publishes on the subject in the line.",
    ),
    "unknown_kind": Explanation(
        "A message has a type that this version does not know, and was skipped.",
        "Update this part.",
    ),
    "shutdown_cancel_timeout": Explanation(
        "The engine ended before the venue had confirmed that all orders are canceled.",
        "Look for open orders at the venue; the next start continues with them.",
    ),
    "fills_missing": Explanation("Stream ENGINE lost fills; they are published again from JOURNAL."),
}
