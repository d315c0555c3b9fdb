"""Print the sequences of ORDERS and ENGINE that viewers receive, as JSON: `python -m tests.cli.stored_sequences CONTEXT`."""

import asyncio
import json
import sys
from contextlib import aclosing
from pathlib import Path

from bus import FromStart, connect, read, read_context
from liveserver.view.history import subject_filters
from schemas.subjects import Stream

STREAMS = (Stream.ORDERS, Stream.ENGINE)


async def main() -> None:
    found: dict[str, list[int]] = {stream: [] for stream in STREAMS}
    async with connect(read_context(Path(sys.argv[1])), name="test") as bus:
        for stream in STREAMS:
            async with aclosing(read(bus, stream, subject_filters(stream), FromStart())) as batches:
                async for batch in batches:
                    found[stream] += [message.sequence for message in batch.messages]
                    if batch.caught_up:
                        break
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
