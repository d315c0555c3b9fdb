"""`migrate`: a directory in use is refused; what was done is printed."""

from pathlib import Path

import pytest

from cli.__main__ import parse
from cli.errors import CommandError
from cli.stack.data_dir import DATA_FORMAT, DataDir
from producers.simulated.server.store import Store


def migrate(root: Path) -> int:
    command, options = parse("migrate", ["--data-dir", str(root)])
    return command.run(options)


def test_a_directory_in_use_is_not_migrated(tmp_path: Path) -> None:
    with DataDir(tmp_path).hold(), pytest.raises(CommandError, match="is in use by another"):
        migrate(tmp_path)


def test_a_venue_in_use_is_not_migrated(tmp_path: Path) -> None:
    with Store(tmp_path / "venue.sqlite"), pytest.raises(CommandError, match="in use by a venue"):
        migrate(tmp_path)


def test_what_was_done_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(tmp_path / "venue.sqlite").close()

    assert [migrate(tmp_path), migrate(tmp_path)] == [0, 0]

    assert capsys.readouterr().out.splitlines() == [
        "format 2:",
        "  venue.sqlite: format 1 recorded",
        f"{tmp_path} is now of format {DATA_FORMAT}",
        f"{tmp_path} is already of format {DATA_FORMAT}",
    ]


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there is no directory"):
        migrate(tmp_path / "missing")
