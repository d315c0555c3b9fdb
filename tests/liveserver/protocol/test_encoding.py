"""Text frames equal those of the `websockets` library, for each size of the length field."""

import pytest
from websockets.frames import Frame, Opcode

from liveserver.protocol.encoding import text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_text_frame_equals_the_library_encoding(size: int) -> None:
    payload = b"x" * size

    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
