"""`bus`: a data directory of a newer version is refused."""

from pathlib import Path

import pytest

from cli.__main__ import parse
from cli.errors import CommandError


def test_a_newer_data_directory_is_refused_before_the_bus_starts(tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text('{"format": 99, "program": "9.1"}')
    command, options = parse("bus", ["--data-dir", str(tmp_path)])

    with pytest.raises(CommandError, match="data format 99"):
        command.run(options)

    assert not (tmp_path / "bus").exists()
