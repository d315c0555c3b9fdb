"""What runs as a module with a command line of its own: the parts, for compose and production, and the examinations."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Never

from cli.stack.process import python

MODULES: dict[str, tuple[str, ...]] = {
    "venue": ("producers.simulated",),
    "market": ("producers", "market"),
    "account": ("producers", "account"),
    "gateway": ("producers", "gateway"),
    "engine": ("engine",),
    "liveserver": ("liveserver",),
    "verify": ("lab.chaos",),
    "scenario": ("lab.scenarios",),
    "bench": ("lab.bench",),
}
"""The command line after `python -m`."""


def become(name: str, arguments: Sequence[str]) -> Never:
    """Become one of them.

    Raises: CommandError for a live server whose configuration cannot be read.
    """
    if name == "liveserver":
        from cli.stack.live_server import configured

        arguments = configured(arguments, os.environ)
    line = python(*MODULES[name], *arguments)
    sys.stdout.flush()
    os.execv(line[0], line)


async def bus(data_dir: Path, port: int, host: str) -> int:
    """Run the embedded bus in the foreground until interrupted. Returns its exit code when it ends by itself.

    Raises: bus.ServerStartFailed.
    """
    from bus import EmbeddedServer, connect, provision

    async with EmbeddedServer(data_dir / "bus", port=port, host=host) as server:
        async with connect(server.url, name="provision") as connection:
            await provision(connection)
        print(f"bus at {server.url}, data in {server.data_dir}; Ctrl-C stops it", flush=True)
        code = await server.wait()
    print(f"nats-server ended with exit code {code}: see {server.log_file}", file=sys.stderr)
    return 1
