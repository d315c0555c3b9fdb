"""How the past's time goes while it is shown again. Pure: the clock is handed in."""

from schemas.units import SECOND_NS, TimeNs

MAX = "max"


class Pace:
    """Plays from `at`; `now` is a monotonic clock's seconds."""

    def __init__(self, at: TimeNs, speed: float | str, now: float) -> None:
        self.speed = speed
        self.is_paused = False
        self._at = at
        self._since = now

    def due_in(self, time: TimeNs, now: float) -> float | None:
        """Return in how many seconds something of that time is due: 0 when it is; None while there is a pause."""
        if self.is_paused:
            return None
        if isinstance(self.speed, str):
            return 0.0
        return max(0.0, (time - self._at) / SECOND_NS / self.speed - (now - self._since))

    def at(self, now: float) -> TimeNs:
        """Return what time it is in the past; with speed `max` it is where `reached` says."""
        if self.is_paused or isinstance(self.speed, str):
            return self._at
        return self._at + round((now - self._since) * self.speed * SECOND_NS)

    def reached(self, time: TimeNs, now: float) -> None:
        """Hear that all up to there was shown. Only without a speed this sets the time."""
        if isinstance(self.speed, str):
            self._at, self._since = time, now

    def pause(self, now: float) -> None:
        self._at = self.at(now)
        self.is_paused = True

    def play(self, speed: float | str | None, now: float) -> None:
        """Go on, faster or slower if a speed is named."""
        self._at, self._since = self.at(now), now
        self.is_paused = False
        self.speed = self.speed if speed is None else speed
