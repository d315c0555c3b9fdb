"""What must hold of every run, whatever died in it. Pure: each proof takes the evidence and returns what contradicts it."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

from opensqt.books import VenueBooks, differences
from opensqt.verify.evidence import Trail
from schemas.order_ids import is_ours
from schemas.orders import PlaceOrder
from schemas.units import ClientOrderId

Proof = Callable[[Trail, VenueBooks], list[str]]


def books_agree(trail: Trail, books: VenueBooks) -> list[str]:
    """Hold that each own trade is in one fill, and position, cash, fees and open orders are the venue's."""
    return differences(trail.steps[-1].state, trail.fills, books)


def no_id_was_sent_twice(trail: Trail, books: VenueBooks) -> list[str]:
    """Hold that the venue accepted, and the gateway intended, each of our ids once at most."""
    accepted = Counter(_ours(trail, books))
    intended = Counter(d.client_order_id for d in trail.intended if isinstance(d, PlaceOrder))
    found = [f"{name} was accepted {count} times" for name, count in accepted.items() if count > 1]
    return found + [f"{name} was intended {count} times" for name, count in intended.items() if count > 1]


def steps_form_one_chain(trail: Trail, books: VenueBooks) -> list[str]:
    """Hold that step follows step, and a number comes again only as a claim, under the next epoch."""
    found = []
    for before, after in pairwise(trail.steps):
        if not after.causes:
            is_right = after.step == before.step and after.epoch == before.epoch + 1
        else:
            is_right = after.step == before.step + 1 and after.epoch == before.epoch
        if not is_right:
            found.append(f"step {after.step} of epoch {after.epoch} follows {before.step} of {before.epoch}")
    return found


def nothing_was_sent_uncommitted(trail: Trail, books: VenueBooks) -> list[str]:
    """Hold that every order at the venue was intended, and every intent decided in a committed step."""
    if trail.steps and trail.steps[0].step > 1:
        return []  # the journal keeps the newest steps only: what is older cannot be looked up
    decided = {d.client_order_id for d in trail.decided if isinstance(d, PlaceOrder)}
    intended = {d.client_order_id for d in trail.intended if isinstance(d, PlaceOrder)}
    found = [
        f"{name} is at the venue, no intent has it" for name in _ours(trail, books) if name not in intended
    ]
    return found + [f"{name} was intended, no step decided it" for name in sorted(intended - decided)]


def each_fill_was_said_once(trail: Trail, books: VenueBooks) -> list[str]:
    """Hold that each trade was booked in one step, and that its fill was published."""
    said = Counter(fill.trade_id for fill in trail.fills)
    booked = Counter(fill.trade_id for step in trail.steps for fill in step.fills)
    found = [f"trade {trade} was booked in {count} steps" for trade, count in booked.items() if count > 1]
    found += [f"trade {trade} was booked and never said" for trade in booked if trade not in said]
    return found


PROOFS: dict[str, Proof] = {
    "the books agree": books_agree,
    "no id was sent twice": no_id_was_sent_twice,
    "steps form one chain": steps_form_one_chain,
    "nothing was sent that was not committed": nothing_was_sent_uncommitted,
    "every booked fill was said": each_fill_was_said_once,
}


def contradictions(trails: Iterable[Trail], books: VenueBooks) -> dict[str, list[str]]:
    """Return for each proof what contradicts it, over all symbols."""
    trails = list(trails)
    return {
        name: [text for trail in trails for text in proof(trail, books)] for name, proof in PROOFS.items()
    }


def _ours(trail: Trail, books: VenueBooks) -> list[ClientOrderId]:
    instance = trail.steps[-1].state.instance
    return [
        order.client_order_id
        for order in books.orders
        if order.symbol == trail.symbol and is_ours(order.client_order_id, instance, trail.symbol)
    ]
