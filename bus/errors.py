"""What can go wrong on the bus: whose fault it is, and whether to retry.

    BusError
    ├── Refused             the server's definite no: nothing was stored; ours to mend
    │   ├── Conflict        the expected sequence does not hold: somebody else wrote
    │   └── NoSpace         the store is full: retry when there is space again
    ├── StreamGone          no stream takes this: nothing was stored; provision, then retry
    ├── NoResponders        nobody answers on the subject now: retry
    ├── Ambiguous           the network's fault: it may or may not have been done; find out, never retry blindly
    ├── OffsetLost          what was wanted is no longer there: reconcile
    ├── Fenced              another one has taken over: stop
    ├── TopologyDiffers     a stream is not as it has to be: stop, a person decides
    ├── ServerStartFailed   the embedded server cannot run: stop, the text says what to do
    └── ConnectionClosed    the server sent us away for good: stop

What is our own bug is an AssertionError.
"""


class BusError(Exception):
    """Something between us and the bus."""


class Refused(BusError):
    """The server's definite no."""

    def __init__(self, code: int, description: str, status: int = 400) -> None:
        super().__init__(f"{description} ({code})")
        self.code = code
        """JetStream's `err_code`; the status where there is none."""
        self.description = description
        self.status = status
        """As in HTTP: 4xx is our fault, 503 passes."""


class Conflict(Refused):
    """The expected last sequence does not hold."""


class NoSpace(Refused):
    """The store, or the stream, is full."""


class StreamGone(BusError):
    """No stream has this name, or none takes this subject."""

    def __init__(self, what: str) -> None:
        super().__init__(f"no stream for {what}")
        self.what = what


class NoResponders(BusError):
    """Nobody answers on the subject."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"nobody answers on {subject}")
        self.subject = subject


class Ambiguous(BusError):
    """It may or may not have been stored, or done; it may even be stored later."""


class OffsetLost(BusError):
    """A stream no longer has what the reader wants next."""

    def __init__(self, stream: str, wanted: int, first: int, created: str) -> None:
        state = f"created {created}, begins at {first}" if created else "is gone"
        super().__init__(f"{stream} {state}: cannot go on at {wanted}")
        self.stream = stream
        self.wanted = wanted
        self.first = first
        """The first sequence there is now; 0 when the stream is gone."""
        self.created = created
        """When the stream that is there now was created; empty when there is none."""


class Fenced(BusError):
    """Another writer has taken over."""


class TopologyDiffers(BusError):
    """A stream is there, but not as it has to be, and that cannot be changed."""

    def __init__(self, stream: str, difference: str) -> None:
        super().__init__(f"stream {stream} differs: {difference}")
        self.stream = stream
        self.difference = difference


class ServerStartFailed(BusError):
    """The embedded server cannot run."""


class ConnectionClosed(BusError):
    """The connection was closed for good."""


CONFLICT_CODES = frozenset({10071, 10164})
NO_SPACE_CODES = frozenset({10002, 10023, 10028, 10047, 10077})
ID_IN_PROCESS_CODES = frozenset({10158})
"""In a cluster: a message with this id is on its way to the followers, and perhaps gets there."""
STREAM_NOT_FOUND = 10059


def refusal(code: int, description: str, status: int) -> Refused:
    """Return the error for what the server answered."""
    if code in CONFLICT_CODES:
        return Conflict(code, description, status)
    if code in NO_SPACE_CODES:
        return NoSpace(code, description, status)
    return Refused(code or status, description, status)
