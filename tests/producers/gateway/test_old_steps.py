"""The gateway acts on the steps of an engine of version 0.1, after the gateway of that version or as the first one."""

import json

import msgspec
import pytest

from bus import Bus, Service
from producers.simulated.app import RunningVenue
from schemas import subjects
from schemas.subjects import Stream
from schemas.units import Side
from schemas.venue.orders import OrderReport, OrderStatus
from tests.builders import SIM
from tests.golden.recorded import old_data, store_json
from tests.producers.conftest import RunGateway
from tests.producers.gateways import INTENTS, REPORTS
from tests.producers.simulated.examples import PERP, decision
from tests.producers.streams import first, until

STEPS = subjects.step(SIM, PERP)
BUY = decision(Side.BUY, "99.5", "a")


def is_placed(event: msgspec.Struct) -> bool:
    return isinstance(event, OrderReport) and (event.client_order_id, event.status) == (
        BUY.client_order_id,
        OrderStatus.NEW,
    )


@pytest.mark.parametrize("has_intents", [True, False])
async def test_decisions_of_an_old_engine_are_carried_out(
    bus: Bus, service: Service, run_gateway: RunGateway, served: RunningVenue, *, has_intents: bool
) -> None:
    last = old_data("JOURNAL", STEPS)[-1]
    decisions = [json.loads(msgspec.json.encode(BUY, enc_hook=str))]
    if has_intents:
        await store_json(bus, INTENTS, old_data("ORDERS", INTENTS)[-1] | {"step_sequence": 1})
    await store_json(bus, STEPS, last)
    async with run_gateway():
        await first(bus, Stream.ORDERS, INTENTS, 1 + has_intents)
        await store_json(bus, STEPS, last | {"step": last["step"] + 1, "decisions": decisions})
        await until(bus, Stream.ORDERS, REPORTS, lambda found: any(map(is_placed, found)))
    assert BUY.client_order_id in served.venue.matching.account.open_orders[PERP]
