"""The sound of a fill for the earlier page, which asks for `coin.mp3`: browsers play it by its content, a WAV file."""

import io
import math
import struct
import wave
from functools import cache

RATE_HZ = 22_050
DURATION_S = 0.25
PITCHES_HZ = (988.0, 1319.0)
"""Of the first and the second half."""
PEAK = 0.4 * 32767


@cache
def tone() -> bytes:
    """Return two short notes that fade, as a WAV file: mono, 16 bit."""
    count = int(RATE_HZ * DURATION_S)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(b"".join(struct.pack("<h", _sample(index, count)) for index in range(count)))
    return file.getvalue()


def _sample(index: int, count: int) -> int:
    pitch = PITCHES_HZ[2 * index // count]
    return int(PEAK * (1 - index / count) * math.sin(2 * math.pi * pitch * index / RATE_HZ))
