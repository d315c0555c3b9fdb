"""The trace context in which messages are stored: see `schemas.traceparent`.

    with trace_context(traceparent_of(step)):
        await journal.commit(intent)        # stored with the step's traceparent

Tasks started within the context keep it. Outside of one, a message with a message id starts a trace of its own, so an input
that is stored again has the same traceparent; other messages have none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from schemas.traceparent import new_trace

_current: ContextVar[str] = ContextVar("traceparent", default="")


@contextmanager
def trace_context(traceparent: str) -> Iterator[None]:
    """Store messages with this traceparent."""
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


def traceparent_to_store(message_id: str | None) -> str:
    """Return the traceparent of a message that is stored now; empty when it has none."""
    return _current.get() or ("" if message_id is None else new_trace(message_id))
