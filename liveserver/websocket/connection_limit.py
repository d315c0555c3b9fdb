"""How many may be connected, in all and from one address."""

from collections import Counter


class Turnstile:
    """Counts who is inside."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._inside: Counter[str] = Counter()
        self._count = 0

    def enter(self, address: str) -> str | None:
        """Let somebody in; return why not when there are too many."""
        if self._count >= self._total:
            return "too many viewers are connected"
        if self._inside[address] >= self._per_address:
            return "too many viewers are connected from this address"
        self._inside[address] += 1
        self._count += 1
        return None

    def leave(self, address: str) -> None:
        """Let somebody out who was let in."""
        self._count -= 1
        self._inside[address] -= 1
        if not self._inside[address]:
            del self._inside[address]
