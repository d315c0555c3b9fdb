"""NKeys of users: `SUAM...` is a seed, which is secret; `UDXU...` is its public key, for the server."""

import os

import nkeys

from bus.errors import InvalidContext


def new_seed() -> bytes:
    """Return the seed of a new user."""
    return bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))


def public_key(seed: bytes) -> str:
    """Return the public key of a user's seed. Raises: InvalidContext when it is not one."""
    try:
        pair = nkeys.from_seed(bytearray(seed.strip()))
        public = str(pair.public_key, "ascii")
        pair.wipe()
    except (nkeys.NkeysError, ValueError) as error:
        raise InvalidContext("not the seed of an NKey, which begins with SU") from error
    if not public.startswith("U"):
        raise InvalidContext("the seed of an NKey, but not of a user, which begins with SU")
    return str(public)
