"""Noticing that a stream went back: in a cluster one in memory is emptied, with its name, when its servers die together."""

from bus.client.jetstream import StreamState


class Rollback:
    """Compares what a stream holds with what it held before."""

    def __init__(self) -> None:
        self._first = 0
        self._first_time = ""

    def is_seen(self, state: StreamState, wanted: int | None = None) -> bool:
        """Tell whether a stream in memory begins, or ends before `wanted`, as it cannot when it only went on."""
        if not state.is_in_memory:
            return False
        first, time = self._first, self._first_time
        self._first, self._first_time = state.first, state.first_time
        is_other = state.first == first and bool(time and state.first_time) and state.first_time != time
        is_short = wanted is not None and state.last + 1 < wanted
        return state.first < first or is_other or is_short
