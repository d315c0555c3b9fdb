"""What a part takes from a configuration, the environment and the command line."""

from pathlib import Path

import pytest

from cli.config.file import DEFAULT_FILE
from cli.entry_points import configured
from cli.errors import CommandError
from liveserver.settings import from_environment
from producers.simulated.settings import read_settings

FILE = """
bus: { url: "nats://10.0.0.1:4222", context: engine.json }
http: { port: 1234, jwt: { algorithm: HS256, secret: "${SECRET}" } }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(DEFAULT_FILE.read_text() + FILE)
    return path


@pytest.mark.parametrize("option", [["--config", "{file}"], ["--config={file}"]])
def test_an_engine_takes_the_bus_from_the_file(file: Path, option: list[str]) -> None:
    environment: dict[str, str] = {}
    rest = configured("engine", ["--name", "a", *[each.format(file=file) for each in option]], environment)
    assert rest == ["--name", "a"]
    assert environment == {
        "OPENSQT_BUS_URL": "nats://10.0.0.1:4222",
        "OPENSQT_BUS_CONTEXT": str(file.parent / "engine.json"),
    }


def test_a_named_bus_takes_precedence_over_the_file(file: Path) -> None:
    environment = {"OPENSQT_BUS_URL": "nats://b:1", "OPENSQT_CONFIG": str(file)}
    assert configured("engine", [], environment) == []
    assert "OPENSQT_BUS_CONTEXT" not in environment
    environment = {"OPENSQT_CONFIG": str(file)}
    assert configured("engine", ["--bus-url=nats://b:1"], environment) == ["--bus-url=nats://b:1"]
    assert "OPENSQT_BUS_URL" not in environment


def test_a_live_server_takes_its_settings_and_secrets(file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    environment = {"SECRET_FILE": str(secret), "OPENSQT_BUS_URL": "nats://b:1"}
    configured("liveserver", ["--config", str(file)], environment)
    taken = from_environment(environment)
    assert taken.http_port == 1234
    assert taken.access.tokens is not None
    assert taken.access.tokens.secret.hidden == secret.read_text().strip()


def test_every_part_takes_the_users_who_may_connect(file: Path) -> None:
    file.write_text(file.read_text().replace("port: 1234,", "port: 1234, allowed_users: [root, '1'],"))
    environment: dict[str, str] = {}
    configured("engine", ["--config", str(file)], environment)
    assert environment["OPENSQT_ALLOWED_USERS"] == "root,1"


def test_a_missing_secret_names_both_variables(file: Path) -> None:
    with pytest.raises(CommandError, match="SECRET is not set: set it, or SECRET_FILE"):
        configured("liveserver", ["--config", str(file)], {})


def test_a_producer_takes_venue_and_address(file: Path) -> None:
    file.write_text(file.read_text().replace("  sim:\n", "  sim:\n    url: http://10.0.0.5:7001\n"))
    environment: dict[str, str] = {}
    assert configured("market", ["--config", str(file)], environment) == ["--venue=sim"]
    assert environment["OPENSQT_VENUE_URL"] == "http://10.0.0.5:7001"


def test_an_unknown_venue_gets_the_nearest(file: Path) -> None:
    with pytest.raises(CommandError, match=r"no venue 'sin'; did you mean sim\?"):
        configured("market", ["--config", str(file), "--venue", "sin"], {})


def test_the_venue_takes_its_settings(file: Path) -> None:
    settings, *rest = configured("venue", ["--config", str(file), "--store", "v.sqlite"], {})
    assert rest == ["--store", "v.sqlite"]
    venue = read_settings(Path(settings.removeprefix("--settings=")))
    assert (venue.venue, len(venue.symbols)) == ("sim", 3)
