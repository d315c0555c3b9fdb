"""How the user calls this program: for texts with a command line to paste."""

import os
import shlex
import shutil
from pathlib import Path

LAUNCHER = "opensqt"


def program() -> str:
    """Return the program's name as the user can type it here: `./opensqt` in the repository, else a path or `opensqt`."""
    root = os.environ.get("OPENSQT_ROOT")
    if root is not None and Path(root) != Path.cwd():
        return shlex.quote(str(Path(root) / LAUNCHER))
    is_installed = root is None and shutil.which(LAUNCHER) is not None
    return LAUNCHER if is_installed or not Path(LAUNCHER).is_file() else f"./{LAUNCHER}"


def data_dir_option(root: Path | None) -> str:
    """Return ` --data-dir DIR` with a leading space, nothing for None."""
    return "" if root is None else f" --data-dir {shlex.quote(str(root))}"
