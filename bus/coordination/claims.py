"""Claims of keys in the bucket `lease`: made and deleted by compare-and-set."""

import asyncio
from contextlib import suppress

from bus.coordination.membership import Claim, Membership
from bus.errors import BusError, Conflict
from bus.streams.registry import Registry

RELEASE_TIMEOUT_S = 1.0


async def claim(registry: Registry, membership: Membership, key: str, entry: Claim) -> int | None:
    """Claim a key; return the revision of the claim, None when another process was faster. Raises: BusError."""
    bucket_key, seen = membership.claim_key(key), membership.claims.get(key)
    try:
        if seen is not None:
            return await registry.update(bucket_key, entry, seen.revision)
        return await registry.create(bucket_key, entry)
    except Conflict:
        if await registry.get(bucket_key) is None:
            # A claim from before the bucket was rolled back: its deletion will never be received.
            membership.claims.pop(key, None)
        return None


async def delete_claim(registry: Registry, membership: Membership, key: str, revision: int) -> None:
    """Delete a claim of this process. If it fails, the key is free once the process is no longer a member."""
    with suppress(BusError, TimeoutError):
        async with asyncio.timeout(RELEASE_TIMEOUT_S):
            await registry.delete(membership.claim_key(key), revision)
