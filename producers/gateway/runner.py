"""A gateway for each symbol of the roster, shared with other gateway processes; each fails and starts again alone."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial

from bus import Fenced, Lease, LeaseProvider, Service, flatten_errors
from bus.metrics import Counter
from producers.gateway.gateway import Gateway
from producers.symbols import changes_of
from schemas.subjects import escape
from schemas.units import Symbol, VenueId

BACK_OFF_S = 0.2
BACK_OFF_MAX_S = 5.0
HEALTHY_S = 30.0
"""A gateway that ran for so long is started again with the first patience."""
RETIRE_AFTER_S = 5.0
"""So long a symbol that left the roster with orders out is served: longer than the gateway waits for a heartbeat."""

MakeGateway = Callable[[Symbol], AbstractAsyncContextManager[Gateway]]


class Gateways:
    """Runs the gateways of one process."""

    def __init__(
        self, service: Service, venue: VenueId, tenure: LeaseProvider, make_gateway: MakeGateway
    ) -> None:
        self._bus = service.bus
        self._log = service.log
        self._venue = venue
        self._tenure = tenure
        self._make_gateway = make_gateway
        self._running: dict[Symbol, Gateway] = {}
        self._tasks: dict[Symbol, asyncio.Task[None]] = {}
        self._retiring: dict[Symbol, asyncio.Task[None]] = {}
        self._ending: dict[Symbol, asyncio.Task[None]] = {}
        self._problems: dict[Symbol, str] = {}
        self._restarts = Counter(
            "gateway_restarts", "Gateways started again", ["symbol"], registry=service.registry
        )

    async def run(self) -> None:
        """Serve every symbol of the roster, now and as it changes; for ever."""
        async with (
            asyncio.TaskGroup() as tasks,
            aclosing(changes_of(self._bus, self._venue, self._log)) as changes,
        ):
            async for symbol, is_there in changes:
                self._on_change(tasks, symbol, is_there=is_there)

    def status(self) -> dict[str, object]:
        """Return what /status says of the symbols."""
        out: dict[str, object] = {"name": self._tenure.name, "members": self._tenure.members()}
        symbols = {symbol: self._symbol_status(symbol) for symbol in sorted(self._tasks)}
        out["symbols"] = symbols
        problems = [f"{symbol}: {said['problem']}" for symbol, said in symbols.items() if "problem" in said]
        if problems:
            out["problem"] = "; ".join(problems)
        return out

    def _symbol_status(self, symbol: Symbol) -> dict[str, object]:
        if symbol in self._running:
            return {"standing": "running here", **self._running[symbol].status()}
        holder = self._tenure.holder(escape(symbol))
        standing = "waiting" if holder in (None, self._tenure.name) else f"held by {holder}"
        problem = self._problems.get(symbol)
        return {"standing": standing, **({} if problem is None else {"problem": problem})}

    def _on_change(self, tasks: asyncio.TaskGroup, symbol: Symbol, *, is_there: bool) -> None:
        if retiring := self._retiring.pop(symbol, None):
            retiring.cancel()
        if not is_there and symbol in self._tasks:
            self._retiring[symbol] = tasks.create_task(self._retire(symbol), name=f"retire:{symbol}")
        elif is_there and symbol not in self._tasks:
            self._tasks[symbol] = tasks.create_task(self._serve(symbol), name=f"gateway:{symbol}")

    async def _retire(self, symbol: Symbol) -> None:
        """Serve on until nothing is unresolved, then end."""
        if (gateway := self._running.get(symbol)) is not None:
            await gateway.settled()
            if gateway.opening_orders:
                # Nobody looks after them any more: they are canceled once the engine is missed.
                await asyncio.sleep(RETIRE_AFTER_S)
                await gateway.settled()
        self._log.info("symbol_removed", symbol=symbol)
        self._ending[symbol] = self._tasks.pop(symbol)
        self._ending[symbol].cancel()

    async def _serve(self, symbol: Symbol) -> None:
        if before := self._ending.pop(symbol, None):
            await asyncio.wait([before])
        clock = asyncio.get_running_loop().time
        delay = BACK_OFF_S
        while True:
            started = clock()
            try:
                await self._tenure.run_while_held(escape(symbol), partial(self._work, symbol))
            except Exception as error:  # noqa: BLE001 - the gateway's outermost edge: its fault is its own
                self._on_failure(symbol, flatten_errors(error))
            self._restarts.labels(symbol).inc()
            if clock() - started > HEALTHY_S:
                delay = BACK_OFF_S
            await asyncio.sleep(delay)
            delay = min(delay * 2, BACK_OFF_MAX_S)

    def _on_failure(self, symbol: Symbol, causes: list[Exception]) -> None:
        fenced = any(isinstance(cause, Fenced) for cause in causes)
        self._problems[symbol] = "another gateway took over" if fenced else repr(causes[0])
        event = "fenced" if fenced else "gateway_failed"
        self._log.error(event, symbol=symbol, detail=repr(causes[0]), exception=causes[0])

    async def _work(self, symbol: Symbol, lease: Lease) -> None:
        async with self._make_gateway(symbol) as gateway:
            self._problems.pop(symbol, None)
            self._running[symbol] = gateway
            try:
                await gateway.run()
            finally:
                del self._running[symbol]
