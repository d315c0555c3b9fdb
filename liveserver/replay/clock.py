"""The clock of a replay: maps monotonic time, passed by the caller, to replayed time."""

from schemas.units import SECOND_NS, TimeNs

MAX = "max"


class ReplayClock:
    """A clock that starts at the replayed time `at`. `now` is always in monotonic seconds.

    `speed` is a factor, or `max` for no delays: then only `advance_to` moves the clock.
    """

    def __init__(self, at: TimeNs, speed: float | str, now: float) -> None:
        self.speed = speed
        self.is_paused = False
        self._at = at
        self._since = now

    def due_in(self, time: TimeNs, now: float) -> float | None:
        """Return the seconds until a replayed time is due: 0 if it is, or at speed `max`; None while paused."""
        if self.is_paused:
            return None
        if isinstance(self.speed, str):
            return 0.0
        delay_s = (time - self._at) / SECOND_NS / self.speed
        return max(0.0, delay_s - (now - self._since))

    def at(self, now: float) -> TimeNs:
        """Return the current replayed time."""
        if self.is_paused or isinstance(self.speed, str):
            return self._at
        return self._at + round((now - self._since) * self.speed * SECOND_NS)

    def full_second_in(self, since: float, now: float) -> float | None:
        """Return the seconds until the clock passes the first full second after what it showed at `since`.

        None while paused, and at a speed above 1, at which full seconds follow each other too fast to be shown.
        """
        if isinstance(self.speed, str) or self.speed > 1:
            return None
        return self.due_in((self.at(since) // SECOND_NS + 1) * SECOND_NS, now)

    def advance_to(self, time: TimeNs, now: float) -> None:
        """Set the replayed time at speed `max`; other speeds ignore it."""
        if isinstance(self.speed, str):
            self._at, self._since = time, now

    def pause(self, now: float) -> None:
        self._at = self.at(now)
        self.is_paused = True

    def play(self, speed: float | str | None, now: float) -> None:
        """Continue, at another speed if given."""
        self._at, self._since = self.at(now), now
        self.is_paused = False
        self.speed = self.speed if speed is None else speed
