"""Frames: what we build is what the library would, at every size of the length field."""

import pytest
from websockets.frames import Frame, Opcode

from liveserver.protocol.frames import text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_a_frame_is_as_the_standard_has_it(size: int) -> None:
    payload = b"x" * size

    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
