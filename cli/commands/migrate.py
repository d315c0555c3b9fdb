"""`opensqt migrate`: bring the data directory of an earlier version up to date."""

import argparse
from pathlib import Path

from bus.private_files import private_umask
from cli.background import run_main
from cli.errors import CommandError
from cli.stack.data_dir import DATA_FORMAT, DataDir, default_data_dir
from cli.stack.migrations import migrate

DESCRIPTION = (
    "Bring the data directory of an earlier version up to date, while nothing runs on it. It may be interrupted and "
    "run again. Earlier versions cannot use the directory afterwards: back it up first."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define --data-dir."""
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="data directory of `up` (default: data)")


def run(options: argparse.Namespace) -> int:
    """Migrate the directory and print what was done.

    Raises: CommandError when it is in use, has no data, or cannot be migrated.
    """
    data = DataDir((options.data_dir or default_data_dir()).absolute())
    if not data.root.is_dir():
        raise CommandError(
            f"there is no directory {data.root}: name the directory of a stack with --data-dir"
        )
    return run_main(lambda: _run(data), is_quiet=True)


async def _run(data: DataDir) -> int:
    with data.hold_any_format(), private_umask():
        count = await migrate(data, print)
    done = "is now of" if count else "is already of"
    print(f"{data.root} {done} format {DATA_FORMAT}")
    return 0
