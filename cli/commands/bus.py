"""`opensqt bus`: run the embedded bus in the foreground."""

import argparse
import sys
from pathlib import Path

from bus import EmbeddedServer, connect, provision
from cli import parser as arguments
from cli.background import run_main
from cli.stack.connection import DEFAULT_PORT
from cli.stack.data_dir import DATA_FORMAT, DataDir, default_data_dir

DESCRIPTION = "Run the embedded bus (nats-server with JetStream) in the foreground."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define --data-dir, --port and --host."""
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="default: data")
    parser.add_argument(
        "--port",
        type=arguments.port,
        default=DEFAULT_PORT,
        help="port to listen on (default: %(default)s; 0: any free port)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Run the bus until it is interrupted.

    Raises: CommandError when this program cannot use the format of the data directory.
    """
    data = DataDir(options.data_dir or default_data_dir())
    if data.format() is None:
        data.write_format(DATA_FORMAT)
    data.check_format()
    return run_main(lambda: serve(data.root, options.port, options.host))


async def serve(data_dir: Path, port: int, host: str) -> int:
    """Run the bus until it is interrupted; return 1 when the server exits by itself.

    Raises: bus.ServerStartFailed.
    """
    async with EmbeddedServer(data_dir / "bus", port=port, host=host) as server:
        async with connect(server.url, name="provision") as connection:
            await provision(connection)
        print(f"bus at {server.url}, data in {server.data_dir}; Ctrl-C stops it", flush=True)
        code = await server.wait()
    print(f"nats-server exited with code {code}: see {server.log_file}", file=sys.stderr)
    return 1
