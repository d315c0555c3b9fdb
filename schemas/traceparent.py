"""Trace context of stored messages: the header `traceparent` of W3C Trace Context, version 00.

    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01       version-trace-parent-flags

All messages that follow from one input have its trace. Traces and spans are hashes of names, not random: a message that is
published again has the header it had before, and a recomputed step the same trace.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Final, Protocol

from schemas.units import Symbol, VenueId

TRACEPARENT: Final = "traceparent"
"""The name of the header."""
_PATTERN = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")


def new_trace(name: str) -> str:
    """Return the traceparent of a trace that starts with the input of this name, such as a message id."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-01"


def continued(traceparent: str, name: str) -> str:
    """Return the traceparent of what follows from `traceparent`, within the same trace.

    Starts a new trace if `traceparent` is empty or malformed.
    """
    match = _PATTERN.match(traceparent)
    if match is None:
        return new_trace(name)
    trace = match[1]
    return f"00-{trace}-{hashlib.sha256(f'{trace} {name}'.encode()).hexdigest()[:16]}-01"


class Traced(Protocol):
    """A step, whole or without its state."""

    @property
    def venue(self) -> VenueId: ...

    @property
    def symbol(self) -> Symbol: ...

    @property
    def step(self) -> int: ...

    @property
    def trace(self) -> str: ...


def traceparent_of(step: Traced) -> str:
    """Return the traceparent of a step and of everything that follows from it: decisions, intents, requests, reports.

    The step continues the trace of its one cause. With several causes, or with a ticker alone, it starts a trace, and
    `Step.inputs` links the stored causes.
    """
    return continued(step.trace, f"{step.venue} {step.symbol} {step.step}")


def traceparent_in(headers: Mapping[str, str]) -> str:
    """Return the traceparent in the headers of a message; empty if there is none, or a malformed one."""
    found = headers.get(TRACEPARENT, "")
    return found if _PATTERN.match(found) else ""
