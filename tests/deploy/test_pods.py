"""The pods of the overlay `sim` as processes of this machine: each probe succeeds, and the system trades."""

import asyncio
import datetime
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path

import pytest

from bus.secure.directory import Settings, write_directory
from bus.secure.server_config import Server
from cli.stack.ports import find_free_port
from tests.deploy.manifests import Object, build, pods
from tests.deploy.pod_processes import PodProcess

STOP_ORDER = ("liveserver", "engine", "gateway", "account", "market", "apply", "venue", "bus")
TIMEOUT_S = 540.0
"""Of the test; process starts take several seconds each on a loaded machine."""


def write_keys(folder: Path, store: Path) -> None:
    """Write what `opensqt bus init` writes for one server, on loopback."""
    settings = Settings(servers=(Server("bus-0", "127.0.0.1", find_free_port()),), store=str(store))
    write_directory(folder, settings, now=datetime.datetime.now(datetime.UTC))


@asynccontextmanager
async def running(
    objects: list[Object], folder: Path, venue_port: int
) -> AsyncIterator[dict[str, PodProcess]]:
    """Run all pods, the bus first; stop engines first and the bus last."""
    processes = {
        (name := pod.workload["metadata"]["name"]): PodProcess(
            pod, objects, folder / name, venue_port if name == "venue" else 0
        )
        for pod in pods(objects)
    }
    try:
        for name in reversed(STOP_ORDER):
            await processes[name].start()
        yield processes
    finally:
        for name in STOP_ORDER:
            await processes[name].stop()


async def until_orders(port: int) -> None:
    """Return when a live server shows open orders."""
    while not await asyncio.to_thread(orders, port):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.2)


def orders(port: int) -> int:
    """Return the number of open orders that the live server shows; 0 while it cannot say, as at the start."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/orders", timeout=5) as answer:
            return len(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return 0


@pytest.mark.timeout(TIMEOUT_S + 30)
async def test_the_pods_of_the_overlay_start_and_trade(tmp_path: Path) -> None:
    venue_port = find_free_port()
    keys = partial(write_keys, store=tmp_path / "pods" / "bus" / "data")
    objects = build("sim", tmp_path, keys, [("http://venue:8080", f"http://127.0.0.1:{venue_port}")])
    async with asyncio.timeout(TIMEOUT_S), running(objects, tmp_path / "pods", venue_port) as processes:
        for name in processes.keys() - {"bus"}:
            await processes[name].wait_probe("startupProbe")
        for name in processes.keys() - {"bus"}:
            await processes[name].wait_probe("readinessProbe")
        await until_orders(processes["liveserver"].port)
        for name in STOP_ORDER[:-1]:
            assert await processes[name].stop() == 0, processes[name].log
