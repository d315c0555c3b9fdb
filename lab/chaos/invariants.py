"""Invariants of every run, whatever faults were injected. Each is a function that returns its violations.

A step is a committed decision of an engine; an intent is the gateway's record, stored before it sends a step's orders.
A claim takes over a symbol from another engine or gateway, under the next epoch.

Timestamps are compared across processes: the venue and the bus run on one machine, with one clock.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

from cli.inspect.audit import differences
from lab.chaos.history import CommittedIntent, CommittedStep, History, VenueHistory
from producers.simulated.matching.orders import Arrival
from schemas.engine.events import DecisionMade, Fill, PositionCorrected
from schemas.units import ZERO, ClientOrderId, TimeNs, TradeId
from schemas.venue.fees import position_change
from schemas.venue.order_ids import parse_order_id, symbol_code
from schemas.venue.orders import Decision, PlaceOrder

Invariant = Callable[[History, VenueHistory], list[str]]


def accounts_match_venue(history: History, venue: VenueHistory) -> list[str]:
    """Require that each own trade is booked in one fill, and all totals and open orders equal the venue's."""
    if history.state is None:
        return [f"{history.symbol}: no step was ever committed"]
    return differences(history.state, history.fills, venue.accounts, history.corrections)


def order_ids_are_sent_once(history: History, venue: VenueHistory) -> list[str]:
    """Require that a placed order's id is in at most one intent, and reaches the venue at most once, accepted or not."""
    arrived = Counter(each.client_order_id for each in _own_arrivals(history, venue))
    intended = Counter(d.client_order_id for d in history.intended_decisions if isinstance(d, PlaceOrder))
    found = [f"{name} was sent {count} times" for name, count in arrived.items() if count > 1]
    return found + [f"{name} is in {count} intents" for name, count in intended.items() if count > 1]


def steps_form_one_chain(history: History, venue: VenueHistory) -> list[str]:
    """Require that step numbers increase by one, and none is discarded unread; only a claim repeats one."""
    found = []
    if history.steps and history.steps[0][:3] != (1, 1, False):
        found.append(f"the first step is {history.steps[0].step} of epoch {history.steps[0].epoch}")
    for before, after in pairwise(history.steps):
        if after.is_claim:
            is_next = after.step == before.step and after.epoch == before.epoch + 1
        else:
            is_next = after.step == before.step + 1 and after.epoch == before.epoch
        if not is_next:
            found.append(
                f"step {after.step} of epoch {after.epoch} follows step {before.step} of epoch {before.epoch}"
            )
    return found + history.discarded


def intents_form_one_chain(history: History, venue: VenueHistory) -> list[str]:
    """Require that each gateway's intents follow its own claim, and no step has two intents."""
    found = []
    for before, after in pairwise(history.intents):
        is_claim = after.epoch == before.epoch + 1 and after.step_sequence == before.step_sequence
        is_next = after.epoch == before.epoch and after.step_sequence > before.step_sequence
        if not is_claim and not is_next:
            found.append(
                f"an intent of epoch {after.epoch} for step {after.step} (JOURNAL sequence {after.step_sequence})"
                f" follows one of epoch {before.epoch} for step {before.step} ({before.step_sequence})"
            )
    return found


def steps_are_reproducible(history: History, venue: VenueHistory) -> list[str]:
    """Require that replaying the causes gives the same decisions, fills, notices and state (byte for byte)."""
    return list(history.not_reproducible)


def orders_are_committed_before_sending(history: History, venue: VenueHistory) -> list[str]:
    """Require that each step is stored before its intent, and each intent before its orders reach the venue."""
    decided = {
        d.client_order_id: s.stored_time
        for s in history.steps
        for d in s.decisions
        if isinstance(d, PlaceOrder)
    }
    intended = _intent_times(history.intents)
    found = [
        text
        for arrival in _own_arrivals(history, venue)
        if (text := _sent_without_intent(arrival, intended.get(arrival.client_order_id)))
    ]
    for name, intent_time in intended.items():
        decided_time = decided.get(name)
        if decided_time is None:
            found.append(f"{name} has an intent, but no step decided it")
        elif decided_time > intent_time:
            found.append(f"the intent of {name} was stored before the step that decided it")
    return found


def copies_are_published_after_commit(history: History, venue: VenueHistory) -> list[str]:
    """Require that each event on `engine.>` equals that of a step, and is stored after the step."""
    committed: dict[object, tuple[Decision | Fill | PositionCorrected, TimeNs]] = {}
    for step in history.steps:
        committed |= {(step.step, i): (d, step.stored_time) for i, d in enumerate(step.decisions)}
        committed |= {(step.step, fill.trade_id): (fill, step.stored_time) for fill in step.fills}
        committed |= {(step.step, each): (each, step.stored_time) for each in step.corrections}
    found = []
    key: tuple[int, int | TradeId | PositionCorrected]
    content: Decision | Fill | PositionCorrected
    for event, published_time in history.copies:
        if isinstance(event, DecisionMade):
            name, key, content = f"decision {event.index}", (event.step, event.index), event.decision
        elif isinstance(event, PositionCorrected):
            name, key, content = f"the correction of {event.quantity}", (event.step, event), event
        else:
            name, key, content = f"the fill of trade {event.trade_id}", (event.step, event.trade_id), event
        committed_content, committed_time = committed.get(key, (None, 0))
        if committed_content != content:
            found.append(f"{name} of step {event.step} was published, but the step does not contain it")
        elif published_time < committed_time:
            found.append(f"{name} of step {event.step} was published before the step was committed")
    return found


def fills_are_booked_once_and_published(history: History, venue: VenueHistory) -> list[str]:
    """Require that each trade is booked in one step, and that its fill, and each correction, is published."""
    published = Counter(fill.trade_id for fill in history.fills)
    corrections = set(history.corrections)
    booked = Counter(fill.trade_id for step in history.steps for fill in step.fills)
    found = [f"trade {trade} was booked in {count} steps" for trade, count in booked.items() if count > 1]
    found += [
        f"trade {trade} was booked, but its fill was not published"
        for trade in booked
        if trade not in published
    ]
    return found + [
        f"the correction of {each.quantity} in step {each.step} was booked, but not published"
        for step in history.steps
        for each in step.corrections
        if each not in corrections
    ]


def corrections_explain_the_difference(history: History, venue: VenueHistory) -> list[str]:
    """Require that each change of the position is the sum of its fills, corrections and adoption, each trade counted once.

    A trade that a correction explains is in no fill and in no other correction.
    """
    found = [text for step in history.steps[:1] if (text := _unexplained_change(None, step))]
    for before, after in pairwise(history.steps):
        is_next = after.step - before.step <= 1  # discarded steps are a violation of another invariant
        if is_next and (text := _unexplained_change(before, after)):
            found.append(text)
    filled = {fill.trade_id for step in history.steps for fill in step.fills}
    explained = Counter(
        trade for step in history.steps for each in step.corrections for trade in each.trade_ids
    )
    found += [f"trade {trade} is in a correction and in a fill" for trade in explained if trade in filled]
    return found + [
        f"trade {trade} is in {count} corrections" for trade, count in explained.items() if count > 1
    ]


def hashes_link_all_records(history: History, venue: VenueHistory) -> list[str]:
    """Require that each step and each intent carries the hash of the record before it on its subject."""
    return list(history.unlinked)


def requests_are_recorded(history: History, venue: VenueHistory) -> list[str]:
    """Require a record of each placement that reached the venue: of the request, or of its takeover by a later gateway."""
    of_version_1 = {
        decision.client_order_id
        for intent in history.intents
        for decision in intent.decisions
        if not intent.is_recorded
    }
    arrived = dict.fromkeys(each.client_order_id for each in _own_arrivals(history, venue))
    return [
        f"{name} reached the venue without a record"
        for name in arrived
        if name not in history.requested and name not in of_version_1
    ]


def messages_can_be_decoded(history: History, venue: VenueHistory) -> list[str]:
    """Require that every message that was read decodes, as an event of its stream."""
    return [f"{history.undecodable} messages cannot be decoded"] if history.undecodable else []


INVARIANTS: dict[str, Invariant] = {
    "the accounts match the venue": accounts_match_venue,
    "no order id was sent twice": order_ids_are_sent_once,
    "steps form one chain": steps_form_one_chain,
    "intents form one chain": intents_form_one_chain,
    "each step is reproducible from its causes": steps_are_reproducible,
    "every order was committed before it was sent": orders_are_committed_before_sending,
    "every event was committed before it was published": copies_are_published_after_commit,
    "every booked fill was published": fills_are_booked_once_and_published,
    "hashes link all records": hashes_link_all_records,
    "corrections explain the difference": corrections_explain_the_difference,
    "every request to place an order was recorded": requests_are_recorded,
    "every message can be decoded": messages_can_be_decoded,
}

EVENTUAL = frozenset(
    {
        "the accounts match the venue",
        "every booked fill was published",
        "every request to place an order was recorded",
    }
)
"""Invariants that may be violated while the stack works and hold once it is idle; the others hold at any time."""


def violations(histories: Iterable[History], venue: VenueHistory) -> dict[str, list[str]]:
    """Return the violations of each invariant, over all symbols."""
    histories = list(histories)
    return {
        name: [text for history in histories for text in invariant(history, venue)]
        for name, invariant in INVARIANTS.items()
    }


def _unexplained_change(before: CommittedStep | None, after: CommittedStep) -> str:
    position, adopted = ZERO, ZERO
    if before is not None and before.generation == after.generation:
        position, adopted = before.position, before.adopted
    changed = sum(map(position_change, after.fills), ZERO)
    changed += sum((each.quantity for each in after.corrections), ZERO)
    if after.position - position == changed + after.adopted - adopted:
        return ""
    return (
        f"the position changed from {position} to {after.position} in step {after.step}, but its fills and "
        f"corrections add up to {changed}"
    )


def _own_arrivals(history: History, venue: VenueHistory) -> list[Arrival]:
    """Return the requests with an order id of our format for the symbol; in a chaos test all traffic is ours."""
    code = symbol_code(history.symbol)
    found = []
    for arrival in venue.arrivals:
        name = parse_order_id(arrival.client_order_id)
        if name is not None and name.code == code:
            found.append(arrival)
    return found


def _intent_times(intents: Iterable[CommittedIntent]) -> dict[ClientOrderId, TimeNs]:
    times: dict[ClientOrderId, TimeNs] = {}
    for intent in intents:
        for decision in intent.decisions:
            if isinstance(decision, PlaceOrder):
                times.setdefault(decision.client_order_id, intent.stored_time)
    return times


def _sent_without_intent(arrival: Arrival, intent_time: TimeNs | None) -> str:
    if intent_time is None:
        return f"{arrival.client_order_id} was sent, but no intent contains it"
    if arrival.time < intent_time:
        return f"{arrival.client_order_id} was sent before its intent was stored"
    return ""
