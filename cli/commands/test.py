"""`opensqt test`: run the repository's test suite with pytest."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Never

from cli.errors import CommandError

REQUIRED_MODULES = ("pytest", "pytest_asyncio", "hypothesis", "pytest_timeout", "xdist")
MAX_WORKERS = 4
"""Beyond this, the tests compete for the machine's disk and ports instead of running faster."""
_SINGLE_PROCESS_OPTIONS = (
    "-n",
    "--numprocesses",
    "-s",
    "--pdb",
    "--trace",
    "--collect-only",
    "--co",
    "-h",
    "--help",
)


def pytest_command(arguments: Sequence[str], root: Path) -> tuple[str, ...]:
    """Return the command that tests the repository at `root`; `arguments` are passed to pytest.

    Raises: CommandError when the tests or the development tools are missing.
    """
    if not (root / "tests").is_dir():
        raise CommandError(f"{root} has no tests: run ./opensqt test in the repository")
    missing = [name for name in REQUIRED_MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(
            f"the development tools are missing ({', '.join(missing)}): run ./opensqt test in the repository, "
            "which installs them"
        )
    is_single = any(argument.startswith(_SINGLE_PROCESS_OPTIONS) for argument in arguments)
    workers = () if is_single else ("-n", str(min(os.cpu_count() or 1, MAX_WORKERS)))
    return (sys.executable, "-m", "pytest", *workers, *arguments)


def exec_pytest(arguments: Sequence[str]) -> Never:
    """Replace this process by pytest.

    Raises: CommandError when the tests or the development tools are missing.
    """
    root = Path(os.environ.get("OPENSQT_ROOT") or Path.cwd())
    command = pytest_command(arguments, root)
    os.chdir(root)
    os.execv(command[0], command)
