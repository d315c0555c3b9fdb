"""Runs a gateway for each symbol of the roster; gateway processes share them by lease."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial

from bus import (
    BusError,
    Fenced,
    Lease,
    LeaseProvider,
    Service,
    follow_venue_symbols,
    forever,
    nothing_registered,
)
from bus.alerts import store_alert, too_new_alert
from bus.commands import traded_symbols
from bus.coordination.keyed_runner import KeyedRunner, root_cause
from bus.metrics import Counter
from bus.runtime import time_ns
from bus.streams.provision import APPLY
from producers.gateway.gateway import Gateway
from schemas.codec import FormatTooNew
from schemas.subjects import escape, registry_key
from schemas.units import Symbol, VenueId

RETIRE_AFTER_S = 5.0
"""How long a removed symbol with opening orders is still served: longer than the default heartbeat timeout."""

MakeGateway = Callable[[Symbol], AbstractAsyncContextManager[Gateway]]


class GatewayRunner:
    """Runs the gateways of one process."""

    def __init__(
        self, service: Service, venue: VenueId, leases: LeaseProvider, make_gateway: MakeGateway
    ) -> None:
        self._bus = service.bus
        self._log = service.log
        self._venue = venue
        self._leases = leases
        self._make_gateway = make_gateway
        self._runner = KeyedRunner("gateway", leases, service.log)
        self._symbols: set[Symbol] = set()
        self._is_roster_read = False
        self._running: dict[Symbol, Gateway] = {}
        self._retiring: dict[Symbol, asyncio.Task[None]] = {}
        self._problems: dict[Symbol, str] = {}
        self._restarts = Counter(
            "gateway_restarts", "Gateways restarted", ["symbol"], registry=service.registry
        )

    async def run(self) -> None:
        """Serve every symbol of the roster, now and as it changes; for ever."""
        if not any(key.startswith(f"{self._venue}.") for key in await traded_symbols(self._bus)):
            self._log.warning("no_symbols", venue=self._venue, do=APPLY)
            self._is_roster_read = True
        async with (
            asyncio.TaskGroup() as tasks,
            aclosing(follow_venue_symbols(self._bus, self._venue, self._log)) as changes,
        ):
            async for symbol, is_registered in changes:
                self._on_change(tasks, symbol, is_registered=is_registered)

    def running(self) -> list[str]:
        """Return the registry keys of the symbols that run here at present."""
        return [registry_key(self._venue, symbol) for symbol in self._running]

    def status(self) -> dict[str, object]:
        """Return the gateway's part of /status."""
        out: dict[str, object] = {"name": self._leases.name, "members": self._leases.members()}
        symbols = {symbol: self._symbol_status(symbol) for symbol in sorted(self._symbols)}
        out["symbols"] = symbols
        problems = [f"{symbol}: {one['problem']}" for symbol, one in symbols.items() if "problem" in one]
        if self._is_roster_read and not symbols:
            out["problem"] = nothing_registered(self._venue)
        if problems:
            out["problem"] = "; ".join(problems)
        return out

    def _symbol_status(self, symbol: Symbol) -> dict[str, object]:
        gateway = self._running.get(symbol)
        standing = self._runner.holder_text(escape(symbol), is_running=gateway is not None)
        is_elsewhere = self._runner.is_elsewhere(escape(symbol))
        problem = None if is_elsewhere else self._problems.get(symbol)
        problems = {} if problem is None else {"problem": problem}
        return {"standing": standing, **problems, **({} if gateway is None else gateway.status())}

    def _on_change(self, tasks: asyncio.TaskGroup, symbol: Symbol, *, is_registered: bool) -> None:
        if retiring := self._retiring.pop(symbol, None):
            retiring.cancel()
        if not is_registered and symbol in self._symbols:
            self._retiring[symbol] = tasks.create_task(self._retire(symbol), name=f"retire:{symbol}")
        elif is_registered and symbol not in self._symbols:
            self._symbols.add(symbol)
            self._is_roster_read = True
            work, on_failure = partial(self._serve, symbol), partial(self._on_failure, symbol)
            self._runner.start(tasks, escape(symbol), work, on_failure)

    async def _retire(self, symbol: Symbol) -> None:
        """Serve a removed symbol until the outcomes of its orders are known, then stop."""
        if (gateway := self._running.get(symbol)) is not None:
            await gateway.wait_idle()
            if gateway.opening_orders:
                # No engine manages them any more: the watchdog cancels them once its heartbeat is missing.
                await asyncio.sleep(RETIRE_AFTER_S)
                await gateway.wait_idle()
        self._log.info("symbol_removed", symbol=symbol)
        self._symbols.discard(symbol)
        self._runner.stop(escape(symbol))

    async def _serve(self, symbol: Symbol, _: Lease) -> None:
        async with self._make_gateway(symbol) as gateway:
            earlier_problem = self._problems.pop(symbol, None)
            self._running[symbol] = gateway
            try:
                await forever("gateway", gateway.run())
            except Exception as error:
                if isinstance(cause := root_cause(error), FormatTooNew):
                    self._problems[symbol] = str(cause)
                    if str(cause) != earlier_problem:
                        await self._report_refusal(symbol, cause)
                    await gateway.withdraw()
                raise
            finally:
                del self._running[symbol]

    async def _report_refusal(self, symbol: Symbol, reason: FormatTooNew) -> None:
        """Report that the symbol's steps need a newer gateway, which may take the lease after this one."""
        self._log.error("format_too_new", symbol=symbol, detail=str(reason))
        try:
            await store_alert(self._bus, too_new_alert(self._venue, symbol, reason, time_ns()))
        except BusError as error:
            self._log.warning("alert_not_published", symbol=symbol, detail=str(error))

    def _on_failure(self, symbol: Symbol, cause: Exception) -> None:
        self._restarts.labels(symbol).inc()
        if isinstance(cause, FormatTooNew):
            return
        is_fenced = isinstance(cause, Fenced)
        self._problems[symbol] = "another gateway took over" if is_fenced else repr(cause)
        event = "fenced" if is_fenced else "gateway_failed"
        self._log.error(event, symbol=symbol, detail=repr(cause), exception=cause)
