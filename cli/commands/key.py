"""`opensqt key`: create an API key and the configuration line that accepts it."""

import argparse
import secrets

from cli.errors import CommandError
from liveserver.auth.credentials import KEY_PREFIX, key_hash
from liveserver.auth.roles import Role
from liveserver.auth.settings import KEY_NAME_PATTERN

DESCRIPTION = "Create an API key, and the configuration line that accepts it."
KEY_BITS = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define --name and --role."""
    parser.add_argument(
        "--name", required=True, help="name of the client; recorded as the operator of its commands"
    )
    parser.add_argument(
        "--role", choices=["viewer", "operator", "admin"], default="viewer", help="default: %(default)s"
    )


def run(options: argparse.Namespace) -> int:
    """Print a new key."""
    return make_key(options.name, Role(options.role))


def make_key(name: str, role: Role) -> int:
    """Print a new key and the lines of the configuration that hold its hash.

    Raises: CommandError for an invalid name.
    """
    if not KEY_NAME_PATTERN.match(name):
        raise CommandError(f"--name {name!r} has to be 1 to 64 of letters, digits, . _ @ -")
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BITS // 8)
    print(
        f"{key}\n\nThis key is shown only once and is not stored. Add its hash to the configuration:\n\n"
        f'http:\n  keys:\n    - {{ name: "{name}", role: {role}, sha256: {key_hash(key).hex()} }}'
    )
    return 0
