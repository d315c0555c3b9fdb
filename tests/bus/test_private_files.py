"""Files that only their owner can read."""

import os
import stat
from pathlib import Path

from bus.private_files import open_private


def test_a_file_becomes_private_and_a_device_stays_open_to_all(tmp_path: Path) -> None:
    (tmp_path / "log").touch(mode=0o644)
    for path, mode in ((tmp_path / "log", 0o600), (Path(os.devnull), 0o666)):
        os.close(open_private(path, os.O_WRONLY | os.O_APPEND))
        assert stat.S_IMODE(path.stat().st_mode) == mode
