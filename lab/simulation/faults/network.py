"""Faults of the network between the hosts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab.simulation.faults.fault import Fault, NotPossible, Scene
from lab.simulation.loop.hosts import Host
from lab.simulation.loop.links import Link


@asynccontextmanager
async def partition(scene: Scene) -> AsyncIterator[None]:
    """Cut a part off from the bus or from the venue, in both directions or in one of them."""
    one, other = _route(scene)
    routes = scene.choose([[(one, other), (other, one)], [(one, other)], [(other, one)]])
    network = scene.world.loop.network
    for source, target in routes:
        network.block(source, target)
    try:
        yield
    finally:
        for source, target in routes:
            network.unblock(source, target)


@asynccontextmanager
async def slow(scene: Scene) -> AsyncIterator[None]:
    network, draw = scene.world.loop.network, scene.random
    if network.link != Link():
        raise NotPossible
    delay_s = 10 ** draw.uniform(-2.5, -0.3)
    loss = draw.choice([0.0, draw.uniform(0.0, 0.2)])
    network.link = Link(delay_s=delay_s, jitter_s=draw.uniform(0.0, 2 * delay_s), loss=loss)
    try:
        yield
    finally:
        network.link = Link()


@asynccontextmanager
async def reset(scene: Scene) -> AsyncIterator[None]:
    one, other = _route(scene)
    if not scene.world.loop.network.reset(one, other):
        raise NotPossible
    yield


@asynccontextmanager
async def vanish(scene: Scene) -> AsyncIterator[None]:
    ends = _route(scene)
    one, other = ends if scene.random.random() < 0.5 else ends[::-1]
    if not scene.world.loop.network.vanish(one, other):
        raise NotPossible
    yield


def _route(scene: Scene) -> tuple[Host, Host]:
    """Return a part and the bus, or a part and the venue."""
    routes = [(part.host, scene.bus.host) for part in scene.traders()]
    routes += [(part.host, scene.venue.host) for part in scene.of_venue()]
    return scene.choose(routes)


FAULTS = (
    Fault("partition", "A part cannot reach the bus or the venue, or is not reached by it.", partition, 40.0),
    Fault("slow-network", "All packets are late by up to half a second, and some are lost.", slow, 60.0),
    Fault("reset", "The connections of a part to the bus or the venue are reset.", reset),
    Fault("vanish", "One end loses a connection without a word; the other does not notice.", vanish),
)
