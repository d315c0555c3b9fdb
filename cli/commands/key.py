"""`opensqt key`: a new API key, shown once, and the line of the configuration that knows it."""

import secrets

from cli.errors import CommandError
from liveserver.auth.credentials import KEY_PREFIX, key_hash
from liveserver.auth.roles import Role
from liveserver.auth.settings import NAME

BITS = 256


def make_key(name: str, role: Role) -> int:
    """Print a key and its line.

    Raises: CommandError for a name that is none.
    """
    if not NAME.match(name):
        raise CommandError(f"--name {name!r} has to be 1 to 64 of letters, digits, . _ @ -")
    key = KEY_PREFIX + secrets.token_urlsafe(BITS // 8)
    line = f"- {{ name: {name}, role: {role}, sha256: {key_hash(key).hex()} }}"
    print(
        f"{key}\n\nIt is shown this once and kept nowhere. What knows it goes under http.keys:\n\n    {line}"
    )
    return 0
