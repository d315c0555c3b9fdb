"""Follow a stack from outside its streams: committed steps, alerts and log lines, whatever is lost."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bus import Bus, Message
from cli.stack.log_watch import LogFollower
from schemas.codec import try_decode
from schemas.engine.events import AlertRaised, Fill
from schemas.engine.journal import Step
from schemas.grid.state import GridState
from schemas.units import ClientOrderId, Symbol
from schemas.venue.orders import PlaceOrder

LIVE_SUBJECTS = ("live.journal.*.*.step", "live.engine.*.*.alert", "live.alert.>")
"""Streams republish what they store, so it is received even if it is lost afterwards."""
_LOG_LINE = re.compile(r"\S+\s+(?P<level>warning|error|critical)\s+(?P<part>\S+)\s+(?P<event>\S+)")
"""`2026-11-21T04:00:00.123Z warning engine fenced step=12`"""


class SymbolHistory:
    """The committed steps of a symbol that its present state results from."""

    def __init__(self) -> None:
        self.state: GridState | None = None
        """State of the last step."""
        self.restarts = 0
        """How often the steps went back to an earlier number."""
        self._fills: list[tuple[int, tuple[Fill, ...]]] = []
        self._last_step = 0

    def add(self, step: Step) -> None:
        """Add a step. One that repeats a number replaces the steps from there on, except a claim of the last one."""
        is_claim = not step.causes
        kept = step.step if is_claim else step.step - 1
        if kept < self._last_step:
            self.restarts += 1
            self._fills = [each for each in self._fills if each[0] <= kept]
        if not is_claim and step.fills:
            self._fills.append((step.step, step.fills))
        self._last_step, self.state = step.step, step.state

    @property
    def fills(self) -> list[Fill]:
        return [fill for _, fills in self._fills for fill in fills]


class Observer:
    """Receives steps and alerts, and reads the logs of the parts."""

    def __init__(self, logs: Sequence[LogFollower], histories: dict[Symbol, SymbolHistory]) -> None:
        self.histories = histories
        self.placed: dict[Symbol, set[ClientOrderId]] = {}
        """The orders that steps since `mark` decided to place."""
        self._alerts: Counter[str] = Counter()
        self._incidents: set[str] = set()
        self._logs = logs
        self._events: Counter[str] = Counter()

    def mark(self) -> None:
        """Forget orders, alerts and log lines so far: a loss follows."""
        self.placed.clear()
        self._alerts.clear()
        self._read_logs()
        self._events.clear()

    def alerts(self) -> dict[str, int]:
        """Return the codes of the alerts since `mark`, counted."""
        return dict(self._alerts)

    def log_events(self) -> dict[str, int]:
        """Return the warnings and errors that the parts logged since `mark`, such as `engine fenced`, counted."""
        self._read_logs()
        return dict(self._events)

    def receive(self, message: Message) -> None:
        step = try_decode(message.data, Step)
        if step is not None:
            self.histories.setdefault(step.symbol, SymbolHistory()).add(step)
            decided = step.decisions if step.causes else ()
            places = (each.client_order_id for each in decided if isinstance(each, PlaceOrder))
            self.placed.setdefault(step.symbol, set()).update(places)
        elif (alert := try_decode(message.data, AlertRaised)) is not None and self._is_news(alert):
            self._alerts[alert.code] += 1

    def _is_news(self, alert: AlertRaised) -> bool:
        """Return whether an alert was not received before: an engine may publish those of earlier steps again."""
        is_news = alert.message_id not in self._incidents
        if alert.incident:
            self._incidents.add(alert.message_id)
        return is_news

    def _read_logs(self) -> None:
        for log in self._logs:
            for line in log.lines():
                if (match := _LOG_LINE.match(line)) is not None:
                    self._events[f"{match['part']} {match['event']}"] += 1


@asynccontextmanager
async def observing(
    bus: Bus, log_files: Mapping[str, Path], histories: dict[Symbol, SymbolHistory]
) -> AsyncIterator[Observer]:
    """Observe a stack; `log_files` are those of its parts, by name; `histories` are continued."""
    observer = Observer([LogFollower(name, path) for name, path in log_files.items()], histories)
    async with AsyncExitStack() as stack:
        for subject in LIVE_SUBJECTS:
            stack.push_async_callback(await bus.subscribe(subject, observer.receive))
        yield observer
