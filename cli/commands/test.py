"""`opensqt test`: the repository's test suite, run with pytest in the repository's environment."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Never

from cli.errors import CommandError

NEEDED = ("pytest", "pytest_asyncio", "hypothesis", "pytest_timeout", "xdist")
MOST_WORKERS = 4
"""More only wait for each other: the tests share the machine's disk and ports."""
_ONE_PROCESS = ("-n", "--numprocesses", "-s", "--pdb", "--trace", "--collect-only", "--co", "-h", "--help")


def command(arguments: Sequence[str], root: Path) -> tuple[str, ...]:
    """Return the command line that tests the repository at `root`; `arguments` are pytest's.

    Raises: CommandError when the tests or the tools are not there.
    """
    if not (root / "tests").is_dir():
        raise CommandError(f"{root} has no tests: run ./opensqt test in the repository")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(
            f"the development tools are missing ({', '.join(missing)}): run ./opensqt test in the repository, "
            "which installs them"
        )
    alone = any(argument.startswith(_ONE_PROCESS) for argument in arguments)
    workers = () if alone else ("-n", str(min(os.cpu_count() or 1, MOST_WORKERS)))
    return (sys.executable, "-m", "pytest", *workers, *arguments)


def become_pytest(arguments: Sequence[str]) -> Never:
    """Become pytest.

    Raises: CommandError when the tests or the tools are not there.
    """
    root = Path(os.environ.get("OPENSQT_ROOT") or Path.cwd())
    line = command(arguments, root)
    os.chdir(root)
    os.execv(line[0], line)
