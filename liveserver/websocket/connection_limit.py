"""Limits on concurrent connections, in total and per address (`rate_limit_key`)."""

from collections import Counter


class ConnectionLimit:
    """Counts open connections."""

    def __init__(self, max_total: int, max_per_address: int) -> None:
        self._max_total = max_total
        self._max_per_address = max_per_address
        self._per_address: Counter[str] = Counter()
        self._total = 0

    def acquire(self, address: str | None) -> str | None:
        """Count a connection and return None; if a limit is reached, count nothing and return the text that names it.

        `address` None stands for several clients, as that of a trusted proxy: only the total counts.
        """
        if self._total >= self._max_total:
            return "too many viewers are connected"
        if address is not None:
            if self._per_address.get(address, 0) >= self._max_per_address:
                return "too many viewers are connected from this address"
            self._per_address[address] += 1
        self._total += 1
        return None

    def release(self, address: str | None) -> None:
        """Remove a connection that `acquire` counted."""
        self._total -= 1
        if address is None:
            return
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]
