"""What must hold of every run, whatever died in it. Pure: each proof takes the evidence and returns what contradicts it.

Times are compared across processes: venue and bus run on one machine, by one clock.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

from cli.inspect.audit import differences
from lab.chaos.history import Intended, Trail, VenueEvidence
from producers.simulated.matching.orders import Arrival
from schemas.engine.events import DecisionMade, Fill
from schemas.units import ClientOrderId, TimeNs, TradeId
from schemas.venue.order_ids import parse_order_id, symbol_code
from schemas.venue.orders import Decision, PlaceOrder

Proof = Callable[[Trail, VenueEvidence], list[str]]


def books_agree(trail: Trail, venue: VenueEvidence) -> list[str]:
    """Hold that each own trade is in one fill, and position, cash, fees and open orders are the venue's."""
    if trail.state is None:
        return [f"{trail.symbol}: no step was ever committed"]
    return differences(trail.state, trail.fills, venue.books)


def no_id_was_sent_twice(trail: Trail, venue: VenueEvidence) -> list[str]:
    """Hold that each of our ids reached the venue once at most, whatever became of it, and was intended once at most."""
    arrived = Counter(each.client_order_id for each in _arrivals(trail, venue))
    intended = Counter(d.client_order_id for d in trail.intended if isinstance(d, PlaceOrder))
    found = [f"{name} was sent {count} times" for name, count in arrived.items() if count > 1]
    return found + [f"{name} was intended {count} times" for name, count in intended.items() if count > 1]


def steps_form_one_chain(trail: Trail, venue: VenueEvidence) -> list[str]:
    """Hold that step follows step, and a number comes again only as a claim, under the next epoch."""
    found = []
    if trail.steps and trail.steps[0][:3] != (1, 1, False):
        found.append(f"the first step is {trail.steps[0].step} of epoch {trail.steps[0].epoch}")
    for before, after in pairwise(trail.steps):
        if after.is_claim:
            is_right = after.step == before.step and after.epoch == before.epoch + 1
        else:
            is_right = after.step == before.step + 1 and after.epoch == before.epoch
        if not is_right:
            found.append(f"step {after.step} of epoch {after.epoch} follows {before.step} of {before.epoch}")
    return found + trail.lost


def intents_form_one_chain(trail: Trail, venue: VenueEvidence) -> list[str]:
    """Hold that each gateway's intents follow the claim of its own, and no step is acted on twice."""
    found = []
    for before, after in pairwise(trail.intents):
        is_claim = after.epoch == before.epoch + 1 and after.step_sequence == before.step_sequence
        is_next = after.epoch == before.epoch and after.step_sequence > before.step_sequence
        if not is_claim and not is_next:
            found.append(
                f"an intent of epoch {after.epoch} for step {after.step} (JOURNAL {after.step_sequence})"
                f" follows one of {before.epoch} for {before.step} ({before.step_sequence})"
            )
    return found


def steps_can_be_repeated(trail: Trail, venue: VenueEvidence) -> list[str]:
    """Hold that the same causes from the same state gave the same decisions, fills and state, byte for byte."""
    return list(trail.not_repeatable)


def nothing_was_sent_uncommitted(trail: Trail, venue: VenueEvidence) -> list[str]:
    """Hold that what reached the venue had been intended before, and what was intended had been decided before."""
    decided = {
        d.client_order_id: s.time for s in trail.steps for d in s.decisions if isinstance(d, PlaceOrder)
    }
    intended = _intended_times(trail.intents)
    found = [
        text
        for arrival in _arrivals(trail, venue)
        if (text := _too_early(arrival, intended.get(arrival.client_order_id)))
    ]
    for name, time in intended.items():
        committed = decided.get(name)
        if committed is None:
            found.append(f"{name} was intended, no step decided it")
        elif committed > time:
            found.append(f"{name} was intended before the step that decided it was committed")
    return found


def nothing_was_said_uncommitted(trail: Trail, venue: VenueEvidence) -> list[str]:
    """Hold that each decision and fill on `engine.>` is that of a step, and came after it."""
    committed: dict[object, tuple[Decision | Fill, TimeNs]] = {}
    for step in trail.steps:
        committed |= {(step.step, i): (d, step.time) for i, d in enumerate(step.decisions)}
        committed |= {(step.step, fill.trade_id): (fill, step.time) for fill in step.fills}
    found = []
    key: tuple[int, int | TradeId]
    content: Decision | Fill
    for event, time in trail.said:
        if isinstance(event, DecisionMade):
            name, key, content = f"decision {event.index}", (event.step, event.index), event.decision
        else:
            name, key, content = f"trade {event.trade_id}", (event.step, event.trade_id), event
        truth, committed_time = committed.get(key, (None, 0))
        if truth != content:
            found.append(f"{name} of step {event.step} was said, and not committed like that")
        elif time < committed_time:
            found.append(f"{name} of step {event.step} was said before it was committed")
    return found


def each_fill_was_said_once(trail: Trail, venue: VenueEvidence) -> list[str]:
    """Hold that each trade was booked in one step, and that its fill was published."""
    said = Counter(fill.trade_id for fill in trail.fills)
    booked = Counter(fill.trade_id for step in trail.steps for fill in step.fills)
    found = [f"trade {trade} was booked in {count} steps" for trade, count in booked.items() if count > 1]
    found += [f"trade {trade} was booked and never said" for trade in booked if trade not in said]
    return found


def all_is_readable(trail: Trail, venue: VenueEvidence) -> list[str]:
    """Hold that no message of ours is nonsense."""
    return [f"{trail.undecodable} messages do not decode"] if trail.undecodable else []


PROOFS: dict[str, Proof] = {
    "the books agree": books_agree,
    "no id was sent twice": no_id_was_sent_twice,
    "steps form one chain": steps_form_one_chain,
    "intents form one chain": intents_form_one_chain,
    "each step follows from its causes": steps_can_be_repeated,
    "nothing was sent that was not committed": nothing_was_sent_uncommitted,
    "nothing was said that was not committed": nothing_was_said_uncommitted,
    "every booked fill was said": each_fill_was_said_once,
    "everything can be read": all_is_readable,
}

AT_REST = frozenset({"the books agree", "every booked fill was said"})
"""What holds once nothing moves any more; the others hold at any moment."""


def contradictions(trails: Iterable[Trail], venue: VenueEvidence) -> dict[str, list[str]]:
    """Return for each proof what contradicts it, over all symbols."""
    trails = list(trails)
    return {
        name: [text for trail in trails for text in proof(trail, venue)] for name, proof in PROOFS.items()
    }


def _arrivals(trail: Trail, venue: VenueEvidence) -> list[Arrival]:
    """Return what has an id in our form, whoever made it: nobody else trades beside the laboratory."""
    code = symbol_code(trail.symbol)
    found = []
    for arrival in venue.arrivals:
        name = parse_order_id(arrival.client_order_id)
        if name is not None and name.code == code:
            found.append(arrival)
    return found


def _intended_times(intents: Iterable[Intended]) -> dict[ClientOrderId, TimeNs]:
    times: dict[ClientOrderId, TimeNs] = {}
    for intent in intents:
        for decision in intent.decisions:
            if isinstance(decision, PlaceOrder):
                times.setdefault(decision.client_order_id, intent.time)
    return times


def _too_early(arrival: Arrival, intended: TimeNs | None) -> str:
    if intended is None:
        return f"{arrival.client_order_id} was sent, no intent has it"
    if arrival.time < intended:
        return f"{arrival.client_order_id} was sent before its intent was committed"
    return ""
