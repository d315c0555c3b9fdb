"""Faults of the venue."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec

from lab.chaos.runner import post_admin
from lab.simulation.faults.fault import Fault, NotPossible, Scene
from producers.simulated.settings import FaultSettings
from schemas.units import SECOND_NS
from schemas.venue.orders import RejectReason

REFUSALS = (
    RejectReason.INSUFFICIENT_MARGIN,
    RejectReason.POST_ONLY_WOULD_CROSS,
    RejectReason.DUPLICATE_ID,
    RejectReason.PRICE_BAND,
    RejectReason.REDUCE_ONLY,
    RejectReason.OTHER,
)
MAX_REFUSALS = 8
MAX_RATIO = 0.2
"""Bound of the probability of each fault of a request or event."""


@asynccontextmanager
async def restart(scene: Scene) -> AsyncIterator[None]:
    scene.venue.kill()
    yield


@asynccontextmanager
async def pause(scene: Scene) -> AsyncIterator[None]:
    if scene.venue.host.process.is_paused:
        raise NotPossible
    scene.venue.send(signal.SIGSTOP)
    try:
        yield
    finally:
        scene.venue.send(signal.SIGCONT)


def _settings(
    name: str, draw: Callable[[Scene], dict[str, Any]]
) -> Callable[[Scene], AbstractAsyncContextManager[None]]:
    """Return a fault that sets some of the venue's fault settings."""

    @asynccontextmanager
    async def inject(scene: Scene) -> AsyncIterator[None]:
        if name in scene.venue_faults:
            raise NotPossible
        scene.venue_faults[name] = FaultSettings(**draw(scene))
        await _post(scene)
        try:
            yield
        finally:
            del scene.venue_faults[name]
            await _post(scene)

    return inject


async def _post(scene: Scene) -> None:
    merged: dict[str, Any] = {"seed": scene.world.settings.seed}
    for each in scene.venue_faults.values():
        defaults = msgspec.to_builtins(FaultSettings())
        merged |= {key: value for key, value in msgspec.to_builtins(each).items() if value != defaults[key]}
    await post_admin(scene.world.venue_url, "faults", merged)


def _events(scene: Scene) -> dict[str, Any]:
    kinds = ("lost", "doubled", "late", "reordered")
    chosen = {kind: _ratio(scene) for kind in kinds if scene.random.random() < 0.5}
    return {**(chosen or {"lost": _ratio(scene)}), "late_by": _delay_ns(scene, 0.2, 10.0)}


def _answers(scene: Scene) -> dict[str, Any]:
    return {"answer_lost": _ratio(scene), "answer_delay": _delay_ns(scene, 0.1, 30.0)}


def _requests(scene: Scene) -> dict[str, Any]:
    return {"request_late": _ratio(scene), "request_delay": _delay_ns(scene, 0.1, 12.0)}


def _rejections(scene: Scene) -> dict[str, Any]:
    return {"rate_limited": _ratio(scene), "overloaded": _ratio(scene), "retry_after_s": 0.5}


def _disconnects(scene: Scene) -> dict[str, Any]:
    return {"disconnect_account": _ratio(scene) / 4, "disconnect_market": _ratio(scene) / 8}


def _ratio(scene: Scene) -> float:
    return float(round(scene.random.uniform(0.01, MAX_RATIO), 3))


def _delay_ns(scene: Scene, low_s: float, high_s: float) -> int:
    return round(scene.random.uniform(low_s, high_s) * SECOND_NS)


@asynccontextmanager
async def refusals(scene: Scene) -> AsyncIterator[None]:
    reason, count = scene.choose(REFUSALS), scene.random.randint(1, MAX_REFUSALS)
    await post_admin(scene.world.venue_url, "refusals", {"reason": reason, "count": count})
    yield


_SETTINGS = (
    ("venue-events", "Account events of the venue are lost, sent twice, late or in another order.", _events),
    ("venue-answers", "Orders are carried out, but their answers are lost.", _answers),
    ("venue-late", "Orders reach the venue's books late.", _requests),
    ("venue-rejections", "The venue rejects requests: too many, or overloaded.", _rejections),
    ("venue-disconnects", "The venue's streams are disconnected.", _disconnects),
)

FAULTS = (
    Fault("venue-restart", "The venue's process is killed, and started again on its store.", restart),
    Fault("venue-pause", "The venue stands still.", pause, 30.0),
    Fault(
        "venue-refusals", "The venue refuses the next orders for a reason such as missing margin.", refusals
    ),
    *(Fault(name, text, _settings(name, draw), 120.0) for name, text, draw in _SETTINGS),
)
