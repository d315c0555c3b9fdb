"""The API conforms to its OpenAPI document: checked by schemathesis against a running server."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from bus import Bus, Registry
from liveserver.auth.roles import Role
from liveserver.auth.settings import RateLimits
from schemas import subjects
from tests import builders
from tests.liveserver import events
from tests.liveserver.auth_fixtures import KEYS, access
from tests.liveserver.watching import publish, serving, watching

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNLIMITED = RateLimits(requests_per_s=10_000, requests_burst=1e6, failures_per_s=10_000, failures_burst=1e6)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def address(module_bus: Bus) -> AsyncIterator[str]:
    """Run a live server with one symbol and all kinds of events."""
    await publish(
        module_bus,
        *(events.candle(minute) for minute in range(5)),
        events.ticker("100"),
        events.balance(),
        events.position("1"),
        events.grid(),
        events.report("a"),
        events.trade("t1"),
        events.fill("t1"),
    )
    await Registry(module_bus, "symbols").create(
        subjects.registry_key(builders.SIM, builders.BTC), events.ticker()
    )
    async with serving(module_bus.url, access=access(public=True, rates=UNLIMITED)) as replica:
        async with watching(replica) as watcher:
            await watcher.until("symbols")
        yield replica.address


async def test_document_describes_security_and_errors(address: str) -> None:
    async with httpx.AsyncClient(base_url=address) as client:
        document = (await client.get("/schema/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["securitySchemes"]) == {"bearer", "cookie"}
    error = document["components"]["schemas"]["ErrorBody"]
    assert set(error["properties"]) == {"error", "what", "hint"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), (path, method)
            assert {"400", "401", "403", "404", "429"} <= set(operation["responses"]), (path, method)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("key", ["", KEYS[Role.ADMIN]], ids=["public", "admin"])
async def test_schemathesis_finds_no_violations(address: str, key: str) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/schema/openapi.json"),
        *("--max-examples", "15", "--seed", "1", "--no-color", "--phases", "examples,coverage,fuzzing"),
        *("--exclude-checks", "positive_data_acceptance"),
    ]
    if key:
        command += ["-H", f"Authorization: Bearer {key}"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONWARNINGS": ""}
    )
    output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()[-6000:]
