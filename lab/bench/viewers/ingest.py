"""`bench ingest`: what one live server takes from JetStream in a second: read, decoded, folded, encoded, sent to 100.

The live server is a process on a core of its own. It is held (SIGSTOP) while own trades are stored, all different, and
then let go: the time is from there until the last of 100 viewers has the last of them. Three viewers check each message,
the others that they got the same number of bytes. Viewers may have more waiting than usual: they share their core with
the bus, and are not what is measured.
"""

import asyncio
import json
import signal
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from bus import Bus
from lab.bench.report import Report, machine
from lab.bench.viewers.live_server import bus_beside, live_server, load
from schemas import subjects
from schemas.units import MILLISECOND_NS, ClientOrderId, Side, Symbol, TradeId, VenueId
from schemas.venue.orders import Trade

VIEWERS = 100
VENUE = VenueId("bench")
SYMBOL = Symbol("BTC/USDT:USDT")
BEGIN, END = "begin", "end"
PATIENT = ("--backlog-messages", "1000000", "--backlog-bytes", str(1 << 29), "--ping-every-s", "1000000")


def run(messages: int = 100_000) -> Report:
    """Measure with so many messages."""
    seconds, cpu_s = asyncio.run(_measure(messages))
    return Report(
        name="ingest",
        machine=machine(),
        figures={
            "viewers": VIEWERS,
            "messages": messages,
            "messages_per_s": messages / seconds,
            "server_cpu_us_per_message": cpu_s / messages * 1e6,
        },
        baselines={},
        ratios={},
    )


async def _measure(messages: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with bus_beside(Path(folder)) as bus:
            await _store(bus, _trade("first", 0))
            async with (
                live_server(bus.url, *PATIENT) as server,
                load("lab.bench.viewers.ingest_load", server.port, VIEWERS, messages) as viewers,
            ):
                await _store(bus, _trade(BEGIN, 1))
                assert await viewers.answer() == "begun"
                server.send(signal.SIGSTOP)
                for number in range(messages):
                    await bus.send(subjects.own_trade(VENUE, SYMBOL), _trade(f"t{number:07d}", number + 2))
                await _store(bus, _trade(END, messages + 2))
                cpu_s, began = server.cpu_s(), time.perf_counter()
                server.send(signal.SIGCONT)
                seen = json.loads(await viewers.answer())
                cpu_s = server.cpu_s() - cpu_s
    assert not seen["faults"], f"{seen['faults']} faults: not everybody got everything in order"
    return float(seen["ended"]) - began, cpu_s


async def _store(bus: Bus, trade: Trade) -> None:
    await bus.store(subjects.own_trade(VENUE, SYMBOL), trade)


def _trade(name: str, number: int) -> Trade:
    return Trade(
        venue=VENUE,
        symbol=SYMBOL,
        trade_id=TradeId(name),
        client_order_id=ClientOrderId("bench"),
        side=Side.BUY,
        price=Decimal(60000) + Decimal(number % 1000) / 10,
        quantity=Decimal("0.001"),
        fee=Decimal("0.012"),
        fee_asset="USDT",
        is_maker=True,
        time=1_700_000_000_000_000_000 + number * MILLISECOND_NS,
    )
