"""Trace contexts: deterministic, and valid by W3C Trace Context."""

import re

import msgspec
import pytest

from schemas.traceparent import continued, new_trace, traceparent_in, traceparent_of
from tests.builders import STEP

FORMAT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01")


def trace_of(traceparent: str) -> str:
    return traceparent.split("-")[1]


def test_a_trace_depends_on_its_name_alone() -> None:
    assert FORMAT.fullmatch(new_trace("a"))
    assert new_trace("a") == new_trace("a") != new_trace("b")


def test_what_follows_is_another_span_of_the_same_trace() -> None:
    first = new_trace("a")
    following = continued(first, "b")
    assert FORMAT.fullmatch(following)
    assert trace_of(following) == trace_of(first)
    assert following != first


def test_a_step_without_a_single_stored_cause_starts_a_trace() -> None:
    later = msgspec.structs.replace(STEP, step=STEP.step + 1)
    assert trace_of(traceparent_of(STEP)) != trace_of(traceparent_of(later))


def test_a_step_continues_the_trace_of_its_cause() -> None:
    cause = new_trace("trade 9001")
    assert trace_of(traceparent_of(msgspec.structs.replace(STEP, trace=cause))) == trace_of(cause)


@pytest.mark.parametrize("text", ["", "00-1-2-01", f"00-{'0' * 32}-{'1' * 16}-01", "x" * 5000])
def test_a_malformed_traceparent_is_ignored(text: str) -> None:
    assert traceparent_in({"traceparent": text}) == ""
    assert continued(text, "a") == new_trace("a")
