"""The image of the parts: what is in it, and how a container of it runs."""

import json

import pytest

from cli.entry_points import PARTS
from tests.docker.engine import docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

MAX_SIZE_MB = 230
"""176 MB with Debian's slim base image, whose own size differs with its source."""
HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")


def run(image: str, *command: str, entrypoint: str = "opensqt") -> str:
    return docker("run", "--rm", *HARDENED, "--network=none", f"--entrypoint={entrypoint}", image, *command)


def test_it_is_small_and_checked_for_health_and_not_root(image: str) -> None:
    (found,) = json.loads(docker("image", "inspect", image))
    assert found["Config"]["User"] == "10001:10001"
    assert found["Config"]["Healthcheck"]["Test"] == ["CMD", "healthcheck"]
    assert found["Size"] / 1e6 < MAX_SIZE_MB


def test_it_has_no_tools_to_build_or_install(image: str) -> None:
    script = "for each in pip pip3 npm node gcc cc make git curl; do command -v $each; done; true"
    assert run(image, "-c", script, entrypoint="sh") == ""
    program = "import importlib.util as u; print([n for n in ('pip', 'hatchling') if u.find_spec(n)])"
    assert run(image, "-c", program, entrypoint="python") == "[]\n"


def test_its_user_can_write_to_its_data_alone(image: str) -> None:
    script = (
        "find / -xdev -writable -type d -not -path '/proc/*' 2>/dev/null; find /opt -writable -not -type l"
    )
    found = set(docker("run", "--rm", "--entrypoint=sh", image, "-c", script).split())
    assert found <= {"/data", "/keys", "/tmp", "/var/tmp", "/run/lock"}


@pytest.mark.parametrize("part", sorted(PARTS))
def test_each_part_starts_in_it(image: str, part: str) -> None:
    assert f"opensqt {part}" in run(image, part, "--help") or part in run(image, part, "--help")


def test_a_missing_configuration_is_one_line(image: str) -> None:
    command = "opensqt engine --config /none.yaml 2>&1; true"
    answer = run(image, "-c", command, entrypoint="sh")
    assert answer.startswith("error: /none.yaml")
    assert answer.count("\n") == 1
