"""Mutants of the gateway: ids, orders of unknown outcome, lost intents."""

from contextlib import AbstractContextManager

import msgspec

from bus import Journal, Newest
from lab.simulation.mutants.mutant import Mutant, replaced
from producers.gateway.executor import IntentRef, OrderExecutor
from producers.gateway.takeover import Inherited, Takeover
from producers.ports import OutcomeUnknown
from schemas.units import ClientOrderId
from schemas.venue.orders import OrderIntent, OrderReport, PlaceOrder

_send = OrderExecutor._send
_claim = Takeover._claim
_run = Takeover.run


def reuse_id_after_ambiguity() -> AbstractContextManager[None]:
    async def send(self: OrderExecutor, order: PlaceOrder) -> OrderReport:
        try:
            return await _send(self, order)
        except OutcomeUnknown:
            return await _send(self, order)

    return replaced((OrderExecutor, "_send", send))


def lose_unresolved_orders() -> AbstractContextManager[None]:
    def claim(
        self: Takeover, last: Newest[OrderIntent] | None
    ) -> tuple[OrderIntent, dict[ClientOrderId, IntentRef]]:
        intent, _ = _claim(self, last)
        return msgspec.structs.replace(intent, unresolved=()), {}

    return replaced((Takeover, "_claim", claim))


def resend_without_intents() -> AbstractContextManager[None]:
    async def run(self: Takeover, journal: Journal) -> Inherited:
        if journal.last is not None:
            return await _run(self, journal)
        claim, unresolved = self._claim(None)
        await journal.commit(claim)
        return Inherited(claim.epoch, None, (), unresolved, (), 0, is_lossy=False)

    return replaced((Takeover, "run", run))


MUTANTS = (
    Mutant(
        "reuse-id-after-ambiguity",
        "An order whose outcome is unknown is sent again under the same id.",
        reuse_id_after_ambiguity,
        ("venue-answers",),
    ),
    Mutant(
        "lose-unresolved-orders",
        "A gateway that takes over forgets the orders of unknown outcome.",
        lose_unresolved_orders,
        ("kill-at-intent", "venue-answers"),
    ),
    Mutant(
        "resend-without-intents",
        "A gateway that finds no intent sends the orders of the steps that it finds, although the intents were lost.",
        resend_without_intents,
        ("purge-orders",),
    ),
)
