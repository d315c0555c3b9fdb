"""`bench ingest`: messages per second from JetStream through one live server to 100 viewers.

The live server is a process on a core of its own. It is stopped (SIGSTOP) while distinct own trades are stored, and then
continued; the time runs from there until every viewer has the last trade. Three viewers check each message, the others
that they received the same number of bytes. The server's backlog limits are raised, since the viewers share their cores
with the bus and are not what is measured.
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
from lab.bench.viewers.live_server import live_server, load_process, pinned_bus
from schemas import subjects
from schemas.units import MILLISECOND_NS, ClientOrderId, Side, Symbol, TradeId, VenueId
from schemas.venue.orders import Trade

VIEWERS = 100
VENUE = VenueId("bench")
SYMBOL = Symbol("BTC/USDT:USDT")
BEGIN, END = "begin", "end"
LARGE_BACKLOG = (
    "--backlog-messages",
    "1000000",
    "--backlog-bytes",
    str(1 << 29),
    "--ping-every-s",
    "1000000",
)


def run(messages: int = 100_000) -> Report:
    """Measure `messages` messages."""
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
    """Return the seconds until the last viewer has the last message, and the server's CPU seconds."""
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with pinned_bus(Path(folder)) as bus:
            await _store(bus, _trade("first", 0))
            async with (
                live_server(bus.url, *LARGE_BACKLOG) as server,
                load_process("lab.bench.viewers.ingest_load", server.port, VIEWERS, messages) as load,
            ):
                await _store(bus, _trade(BEGIN, 1))
                assert await load.read_line() == "begun"
                server.send_signal(signal.SIGSTOP)
                for number in range(messages):
                    await bus.send(subjects.own_trade(VENUE, SYMBOL), _trade(f"t{number:07d}", number + 2))
                await _store(bus, _trade(END, messages + 2))
                cpu_s, started = server.cpu_s(), time.perf_counter()
                server.send_signal(signal.SIGCONT)
                received = json.loads(await load.read_line())
                cpu_s = server.cpu_s() - cpu_s
    assert not received["faults"], f"{received['faults']} viewers did not receive every message in order"
    return float(received["ended"]) - started, cpu_s


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
