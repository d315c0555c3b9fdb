"""Marks of rare branches: a process counts how often it reached each, so that a test campaign shows what it has tried.

A campaign without a failure proves nothing about a branch that was never reached. Marks stand on rare branches only:
what happens at every tick or step has none.
"""

from collections import Counter
from collections.abc import Mapping

MARKS: dict[str, str] = {
    # The connection, and writes to streams.
    "bus_reconnected": "A connection to the bus was lost and came back.",
    "store_ambiguous": "A write with a message id got no reply, and is sent again.",
    "stream_gone": "A write found no stream for its subject.",
    "no_space": "A write was rejected because the store is full.",
    # Journals.
    "commit_ambiguous": "A commit to a journal got no reply: whether it is stored is unknown.",
    "commit_found_stored": "An engine that claimed its journal again found a step stored that it did not know to be.",
    "commit_found_missing": "An engine that claimed its journal again found its last known step to be the last one.",
    "fenced_at_claim": "The claim of a journal was refused: another writer was faster.",
    "fenced_after_commit": "A writer that had committed was fenced by its successor.",
    # Readers.
    "replica_behind": "A replica answered without messages that the leader has stored.",
    "leader_read_instead": "Replicas stayed behind for so long that the leader was read.",
    "republished_message_missed": "A stored message was found whose republished copy did not arrive.",
    "offset_lost": "A reader found that its stream no longer has what it read, or what it reads next.",
    "stream_recreated": "A reader found that its stream was created again.",
    "stream_rolled_back": "A reader found that its memory stream is an earlier copy.",
    "stream_restored": "A reader found another message at the sequence that it had read.",
    # Leases.
    "lease_taken_over": "A process lost a lease to another one.",
    "member_expired": "A process removed another one from the group, because it sent no renewal.",
    "clock_wrong": "A process found its clock apart from the venue's or the bus's, and gave up all leases.",
    "member_removed": "A process found itself removed from the group, and gave up all leases.",
    # Records that were lost.
    "durable_offset_lost": "An actor lost its place in a stream of inputs, and continued at the end.",
    "journal_lost": "A journal was empty although the gateway had acted on its steps.",
    "journal_went_back": "An engine found steps missing, changed or replaced in its journal.",
    "intents_went_back": "An engine found intents of the gateway missing or replaced.",
    "bus_restored": "An engine found that the bus was restored from a backup.",
    "step_chain_broken": "A gateway read a step that does not follow the record before it.",
    "intent_chain_broken": "An engine read an intent that does not follow the one before it.",
    "takeover_lossy": "A gateway took over with steps or intents missing.",
    "resync_ended": "A resynchronization with the venue ended.",
    # Restarts.
    "events_republished": "An engine published the events of steps again of which its predecessor had no acknowledgement.",
    "fills_republished": "Fills that stream ENGINE had lost were published again.",
    "ledger_gap": "Fills were lost for good: neither ENGINE nor JOURNAL has them.",
    "actor_failed": "The core failed on an input.",
    "quarantined": "A symbol was quarantined.",
    "quarantine_ended": "A command ended the quarantine of a symbol.",
    "takeover_with_unknown_orders": "A gateway took over orders of which the outcome was unknown.",
    "takeover_between": "A gateway took over while steps were committed on which no gateway had acted.",
    # Orders.
    "outcome_unknown": "The venue did not answer a placement.",
    "unknown_order_found": "An order of unknown outcome was found at the venue.",
    "unknown_order_not_found": "An order of unknown outcome was not at the venue after its receive window.",
    "duplicate_order_id": "The venue rejected a placement because it had an order with that id.",
    "order_too_old": "An order was not sent because its step was committed too long ago.",
    "order_too_late": "An order was not sent because it waited longer than its receive window.",
    "order_late_at_venue": "The venue refused an order that arrived after its receive window.",
    "query_of_waiting_order": "An order was to be queried that still waited for its turn: no request was sent.",
    "order_expired_in_queue": "An order was not sent because the rate limit left no turn in time.",
    "refused_chain_broken": "An opening order was not sent because the chain of steps was broken.",
    "refused_engine_silent": "An opening order was not sent because its engine was silent.",
    "refused_max_position": "An opening order was not sent because of the grid's `max_position`.",
    "refused_exposure": "An opening order was not sent because of the exposure limit.",
    "venue_overloaded": "The venue refused a placement because of its load or a rate limit.",
    "venue_unreachable": "A placement was not sent because the venue could not be reached.",
    "cancel_of_unknown_order": "The venue did not know an order that was to be canceled.",
    "cancel_rejected": "The venue rejected a cancel.",
    "cancel_retried": "A cancel was sent again after an error.",
    "engine_silent_cancel": "A gateway canceled opening orders because their engine was silent.",
    "dead_man_not_deferred": "The dead man's switch was not deferred because the engine was silent.",
    # Trades and positions.
    "private_stream_lost": "The private stream of the venue was lost.",
    "trade_found_by_sweep": "A sweep found a trade that the private stream had not delivered.",
    "orders_stream_changed": "A sweep found that stream ORDERS had lost what was stored in it.",
    "sweep_request_answered": "A sweep answered the request of a resynchronization.",
    "late_trade_after_cancel": "A trade arrived after the report that its order was canceled.",
    "trade_of_finished_order": "A trade arrived of an order that had finished with all its trades.",
    "late_trade_booked": "A trade was booked whose order was not known.",
    "late_trade_refused": "A trade was not booked because it was older than the mark of booked trades.",
    "duplicate_trade_ignored": "A trade was read that was booked before.",
    "order_missing_at_venue": "A sweep did not list an order, and a query of it had not been answered.",
    "unknown_order_at_venue": "A sweep listed an order that the grid did not know.",
    "trades_missing": "The trades of an order were fewer than its reports said.",
    "position_differs": "The venue's position differed from the booked one.",
    "position_corrected": "A difference from the venue's position was booked.",
    # Guards.
    "breaker_opened": "The circuit breaker of a symbol opened.",
    "breaker_half_open": "The circuit breaker of a symbol turned half-open.",
    "breaker_closed": "The circuit breaker of a symbol closed.",
    "breaker_refused": "A half-open circuit breaker opened again: a round trip lost.",
    "margin_locked": "Opening orders were locked for lack of margin.",
    "order_refused": "The venue rejected an order for a reason that a retry does not mend.",
}
"""The marks: what happened when the branch was reached."""

_counts: Counter[str] = Counter()


def reached(name: str) -> None:
    """Count that this process reached the branch of a mark, declared in `MARKS`."""
    _counts[name] += 1


def counts() -> Counter[str]:
    """Return how often each mark was reached since the start or the last `reset`."""
    return Counter(_counts)


def reset() -> None:
    """Begin to count from 0."""
    _counts.clear()


def missing(found: Mapping[str, int], *, least: int = 1) -> list[str]:
    """Return the marks that were reached less often than `least` times, in the order of `MARKS`."""
    return [name for name in MARKS if found.get(name, 0) < least]
