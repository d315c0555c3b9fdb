"""The Docker engine of the tests, and the images that they build and run."""

import functools
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGE, PROXY_IMAGE = "opensqt:test", "opensqt-proxy:test"
TIMEOUT_S = 900
"""Of one command; a build without cache takes minutes."""
TESTCONTAINERS = {
    # Its container that removes others comes from a registry. The tests remove their own.
    "TESTCONTAINERS_RYUK_DISABLED": "true",
    # Also where the tests run in a container themselves.
    "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
}


def docker(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command of Docker's in the repository and return its output; fail with its errors."""
    result = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.returncode == 0, f"docker {' '.join(arguments)}: {result.stderr[-4000:]}"
    return result.stdout


@functools.cache
def missing_engine() -> str:
    """Return why these tests cannot run here; an empty string if they can."""
    if shutil.which("docker") is None:
        return "needs Docker, which is not installed"
    for command in (["docker", "info"], ["docker", "compose", "version"], ["docker", "buildx", "version"]):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return f"needs a Docker engine with compose and buildx: `{' '.join(command)}` fails"
    return ""


@functools.cache
def build_images() -> None:
    """Build the images of the parts and of the proxy from this repository, once. Skips the test without an engine."""
    if reason := missing_engine():
        pytest.skip(reason)
    os.environ.update({key: value for key, value in TESTCONTAINERS.items() if key not in os.environ})
    docker("compose", "build", "bus", "proxy", environment=images())


def images() -> dict[str, str]:
    """Return the variables of compose.yaml that name the images under test."""
    return {"OPENSQT_IMAGE": IMAGE, "OPENSQT_PROXY_IMAGE": PROXY_IMAGE, "DOCKER_BUILDKIT": "1"}


class Compose:
    """A stack of compose.yaml with a name, ports and volumes of its own."""

    def __init__(self, http_port: int, bus_port: int, configuration: Path | None = None) -> None:
        self.bus_port = bus_port
        self.http_port = http_port
        self._environment = {
            **images(),
            "COMPOSE_PROJECT_NAME": f"opensqt-test-{secrets.token_hex(3)}",
            "OPENSQT_HTTP_PORT": str(http_port),
            "OPENSQT_BUS_PORT": str(bus_port),
            **({} if configuration is None else {"OPENSQT_CONFIG": str(configuration)}),
        }

    def run(self, *arguments: str) -> str:
        return docker("compose", *arguments, environment=self._environment)

    def containers(self, service: str) -> list[str]:
        """Return the ids of the running containers of a service."""
        return self.run("ps", "--quiet", service).split()
