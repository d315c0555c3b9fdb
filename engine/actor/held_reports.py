"""How long order reports that only change the state wait for the next step."""

import asyncio

MAX_HELD_REPORTS = 100
MAX_HELD_S = 5.0


class HeldReports:
    """Limits the number of the held reports, and the time since the first of them was applied."""

    def __init__(self) -> None:
        self._since = 0.0
        """When the first of them was applied, by the loop's clock; 0 without any."""

    def may_wait_s(self, count: int) -> float | None:
        """Return how long that many held reports may still wait, in seconds; None without any."""
        now = asyncio.get_running_loop().time()
        if not count:
            self._since = 0.0
            return None
        self._since = self._since or now
        return 0.0 if count >= MAX_HELD_REPORTS else max(self._since + MAX_HELD_S - now, 0.0)
