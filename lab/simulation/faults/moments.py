"""Faults at the worst moment: the writer of a record is killed when the bus has stored it, before the acknowledgement."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from lab.simulation.bus_model.streams.store import Stored
from lab.simulation.bus_model.streams.stream import Stream
from lab.simulation.faults.fault import Fault, Scene

MAX_INPUTS = 4
"""Bound of the own orders' events that were stored since the step before: several of them wait in an engine at once."""


@asynccontextmanager
async def _observing(scene: Scene, observe: Callable[[Stream, Stored], None]) -> AsyncIterator[None]:
    observers = scene.world.model.on_stored
    observers.append(observe)
    try:
        yield
    finally:
        observers.remove(observe)


def _kill(scene: Scene, kind: str) -> None:
    for part in scene.traders():
        if part.name.startswith(kind):
            part.kill()


def at_step(scene: Scene) -> AbstractAsyncContextManager[None]:
    """Kill the engines once, when a step is stored that follows at least so many events of own orders."""
    least, inputs, is_done = scene.random.randint(1, MAX_INPUTS), 0, False

    def observe(stream: Stream, stored: Stored) -> None:
        nonlocal inputs, is_done
        if stream.name == "ORDERS" and stored.subject.endswith((".report", ".trade")):
            inputs += 1
        elif stream.name == "JOURNAL" and stored.subject.endswith(".step"):
            if inputs >= least and not is_done:
                is_done = True
                _kill(scene, "engine")
            inputs = 0

    return _observing(scene, observe)


def at_intent(scene: Scene) -> AbstractAsyncContextManager[None]:
    """Kill the gateways once, when an intent is stored: whether its orders were sent is then unknown."""
    skipped, is_done = scene.random.randint(0, 5), False

    def observe(stream: Stream, stored: Stored) -> None:
        nonlocal skipped, is_done
        if stream.name == "ORDERS" and stored.subject.endswith(".intent") and not is_done:
            skipped -= 1
            if skipped < 0:
                is_done = True
                _kill(scene, "gateway")

    return _observing(scene, observe)


FAULTS = (
    Fault(
        "kill-at-step",
        "The engines are killed when a step is stored, before they know that it is.",
        at_step,
        20.0,
    ),
    Fault(
        "kill-at-intent",
        "The gateways are killed when an intent is stored, before they send its orders.",
        at_intent,
        20.0,
    ),
)
