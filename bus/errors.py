"""Errors of the bus: the cause, and whether to retry.

    BusError
    ├── Rejected            rejected by the server, nothing was stored: a bug or a wrong setting here
    │   ├── Conflict        the expected sequence does not match: another writer has written
    │   ├── NoSpace         the store is full: retry when there is space again
    │   └── NotPermitted    the permissions of this user do not allow it: an operator must change them
    ├── StreamGone          no stream for the subject, nothing was stored: provision, then retry
    ├── NoResponders        the subject has no responder at the moment: retry
    ├── Ambiguous           no reply, the outcome is unknown: read it back, or retry only what is idempotent
    ├── OffsetLost          the next message is no longer in the stream: reconcile
    ├── Fenced              another writer has taken over: stop
    ├── TopologyDiffers     a stream has an incompatible configuration: stop, an operator must decide
    ├── BackupFailed        a backup cannot be taken or restored: the message names the stream or file
    ├── InvalidContext      a context file, or a file that it names, cannot be used: stop, the message says what to do
    ├── NotAuthorized       the server rejects the credentials: stop, the message says which
    ├── ServerStartFailed   the embedded server cannot start: stop, the message says what to do
    └── ConnectionClosed    the server closed the connection for good: stop

Programming errors are AssertionErrors.
"""


class BusError(Exception):
    """An error in the communication with the bus."""


class Permanent(Exception):
    """Mixed into errors that a restart cannot mend: an operator must change a setting, a directory or a version."""


class Rejected(BusError):
    """The server rejected the request."""

    def __init__(self, code: int, description: str, status: int = 400) -> None:
        super().__init__(f"{description} ({code})")
        self.code = code
        """JetStream's `err_code`, or the status when there is none."""
        self.description = description
        self.status = status
        """As in HTTP: 4xx is an invalid request, 503 is temporary."""


class Conflict(Rejected):
    """The expected last sequence does not match."""


class NoSpace(Rejected):
    """The store or the stream is full."""


class NotPermitted(Rejected):
    """The permissions of the connection's user do not allow it."""

    def __init__(self, subject: str) -> None:
        super().__init__(403, f"the bus does not permit this user to publish to {subject}", 403)


class StreamGone(BusError):
    """No stream has this name or stores this subject."""

    def __init__(self, what: str) -> None:
        super().__init__(f"no stream for {what}")
        self.what = what


class NoResponders(BusError):
    """The subject has no responder."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"no responder on {subject}")
        self.subject = subject


class Ambiguous(BusError):
    """The outcome is unknown: it may have been stored or done, or still be stored later."""


class OffsetLost(BusError):
    """A stream no longer has the message that the reader needs next."""

    def __init__(self, stream: str, wanted: int, first: int, created: str) -> None:
        state = f"created {created}, begins at {first}" if created else "is gone"
        super().__init__(f"{stream} {state}: cannot continue at {wanted}")
        self.stream = stream
        self.wanted = wanted
        self.first = first
        """The first sequence of the present stream; 0 when it is gone."""
        self.created = created
        """The creation time of the present stream; empty when it is gone."""


class Fenced(BusError):
    """Another writer has taken over."""


class TopologyDiffers(BusError, Permanent):
    """A stream exists with a different configuration that cannot be changed."""

    def __init__(self, stream: str, difference: str) -> None:
        super().__init__(f"stream {stream} differs: {difference}")
        self.stream = stream
        self.difference = difference


class BackupFailed(BusError):
    """A backup cannot be taken or restored."""


class InvalidContext(BusError, Permanent):
    """A context cannot be used."""


class NotAuthorized(BusError, Permanent):
    """The server rejects the credentials."""


class ServerStartFailed(BusError):
    """The embedded server cannot start."""


class ConnectionClosed(BusError):
    """The connection was closed for good."""


CONFLICT_CODES = frozenset({10071, 10164})
NO_SPACE_CODES = frozenset({10002, 10023, 10028, 10047, 10077})
ID_IN_PROCESS_CODES = frozenset({10158})
"""In a cluster: a message with the same id is being replicated, and may or may not be stored."""
STREAM_NOT_FOUND = 10059


def rejection(code: int, description: str, status: int) -> Rejected:
    """Return the error for an error reply of the server."""
    if code in CONFLICT_CODES:
        return Conflict(code, description, status)
    if code in NO_SPACE_CODES:
        return NoSpace(code, description, status)
    return Rejected(code or status, description, status)
