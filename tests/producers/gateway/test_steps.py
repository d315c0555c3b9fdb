"""Steps without their state, and the chain of their hashes."""

import msgspec
import pytest

from bus import Received, get_logger
from producers.gateway.steps import StepChain, decode_step
from schemas.codec import FormatTooNew, encode
from schemas.engine.journal import RiskSummary, Step
from schemas.formats import STATE_VERSION, record_hash
from tests.builders import STEP

LOG = get_logger("test")
RISK = RiskSummary(generation=1, position=STEP.state.accounts.position, price=None, booked_through=0)


def stored(step: Step, sequence: int) -> Received:
    return Received("journal.sim.BTC-USDT_USDT.step", encode(step), {}, "JOURNAL", sequence, 0)


def chained(*steps: Step) -> list[Received]:
    """Return stored steps of version 2, each with the hash of the one before it."""
    found: list[Received] = []
    for number, step in enumerate(steps, start=1):
        previous = record_hash(found[-1].data) if found else ""
        linked = msgspec.structs.replace(step, state_version=2, previous_hash=step.previous_hash or previous)
        found.append(stored(linked, number))
    return found


def check(chain: StepChain, messages: list[Received]) -> list[int]:
    """Return the sequences of the steps whose link to the one before is broken."""
    return [
        message.sequence
        for message in messages
        if chain.check(message, decode_step(message, LOG)) is not None
    ]


def resyncing(is_resyncing: bool) -> Step:
    return msgspec.structs.replace(
        STEP, risk=msgspec.structs.replace(RISK, is_resyncing=is_resyncing), decisions=()
    )


def test_a_header_has_the_fields_of_the_step() -> None:
    step = msgspec.structs.replace(STEP, risk=RISK)
    header = decode_step(stored(step, 1), LOG)
    assert header is not None
    assert all(getattr(header, name) == getattr(step, name) for name in header.__struct_fields__)


def test_a_step_of_a_newer_format_is_refused() -> None:
    with pytest.raises(FormatTooNew, match=f"format {STATE_VERSION + 1}"):
        decode_step(stored(msgspec.structs.replace(STEP, minimum_reader=STATE_VERSION + 1), 1), LOG)


def test_an_invalid_step_is_skipped() -> None:
    assert decode_step(msgspec.structs.replace(stored(STEP, 1), data=b"{invalid"), LOG) is None


def test_linked_steps_are_an_unbroken_chain() -> None:
    chain = StepChain()
    assert check(chain, chained(STEP, STEP, STEP)) == []
    assert not chain.is_broken


def test_a_missing_step_breaks_the_chain_once() -> None:
    chain = StepChain()
    first, _, third, fourth = chained(STEP, msgspec.structs.replace(STEP, step=4), STEP, STEP)
    assert check(chain, [first, third, fourth]) == [3]
    assert chain.is_broken


def test_the_first_step_and_those_of_version_1_have_nothing_to_follow() -> None:
    chain = StepChain()
    assert check(chain, [chained(STEP, STEP)[1], stored(STEP, 3), stored(STEP, 4)]) == []


def test_an_undecodable_record_is_a_link_of_the_chain() -> None:
    chain = StepChain()
    broken = msgspec.structs.replace(stored(STEP, 1), data=b"{invalid")
    follower = msgspec.structs.replace(STEP, previous_hash=record_hash(broken.data))
    assert check(chain, [broken, *chained(follower)]) == []


def test_opening_is_blocked_until_the_engine_has_resynchronized() -> None:
    chain = StepChain()
    broken, *later = chained(
        msgspec.structs.replace(resyncing(False), previous_hash="other"),
        resyncing(False),
        resyncing(True),
        resyncing(False),
    )
    chain.restart(stored(STEP, 0))
    found = []
    for message in [broken, *later]:
        chain.check(message, decode_step(message, LOG))
        found.append(chain.is_broken)
    assert found == [True, True, True, False]
