"""Requests to the JetStream API: streams and their messages, read from a stream's leader."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from bus.client.jetstream import (
    FoundMessage,
    StreamInfo,
    StreamState,
    api_reply_parser,
    received,
    state_of,
)
from bus.client.message import Received
from bus.client.request_reply import Requests
from bus.errors import Rejected

T = TypeVar("T")

LOOKUP_TIMEOUT_S = 2.0
"""Short: while a cluster elects a leader, lookups get no answer and are retried."""
NO_MESSAGE_FOUND = 10037
"""JetStream's `err_code` for a subject without messages."""


class JetStreamApi:
    """The JetStream API over the requests of a connection."""

    def __init__(self, requests: Requests, api_prefix: str) -> None:
        self._requests = requests
        self.api_prefix = api_prefix
        """The subjects of the API begin with it: `$JS.API`, or another where it is imported from another account."""

    async def api(
        self, endpoint: str, body: object, kind: type[T], timeout_s: float = 5.0, *, prefix: str = ""
    ) -> T:
        """Call an endpoint of the JetStream API, for example `STREAM.INFO.ORDERS`, and return its reply.

        `prefix` is that of another account's API, where this connection may use it.
        Raises: StreamGone, NoSpace, Rejected, Ambiguous.
        """
        data = msgspec.json.encode(body) if body is not None else b""
        parse = api_reply_parser(endpoint, kind)
        subject = f"{prefix or self.api_prefix}.{endpoint}"
        return await (await self._requests.send(subject, data, parse, timeout_s=timeout_s))

    async def last(self, stream: str, subject: str) -> Received | None:
        """Return the last message on a subject, read from the stream's leader; None when there is none.

        Raises: StreamGone, Rejected, Ambiguous.
        """
        return await self._stored(stream, {"last_by_subj": subject})

    async def next(self, stream: str, pattern: str, sequence: int) -> Received | None:
        """Return the first matching message from a sequence on, read from the stream's leader; None when there is none.

        Raises: StreamGone, Rejected, Ambiguous.
        """
        return await self._stored(stream, {"next_by_subj": pattern, "seq": sequence})

    async def _stored(self, stream: str, body: Mapping[str, object]) -> Received | None:
        try:
            found = await self.api(f"STREAM.MSG.GET.{stream}", body, FoundMessage, LOOKUP_TIMEOUT_S)
        except Rejected as error:
            if error.code == NO_MESSAGE_FOUND:
                return None
            raise
        return received(stream, found.message)

    async def stream_state(self, stream: str) -> StreamState:
        """Return the current state of a stream.

        Raises: StreamGone, Rejected, Ambiguous.
        """
        return state_of(await self.api(f"STREAM.INFO.{stream}", None, StreamInfo, LOOKUP_TIMEOUT_S))

    async def stream_created(self, stream: str) -> str:
        """Return the creation time of a stream, as given by the server.

        Raises: StreamGone, Rejected, Ambiguous.
        """
        return (await self.stream_state(stream)).created

    async def last_sequence(self, stream: str) -> int:
        """Return the last sequence of a stream; 0 before its first message.

        Raises: StreamGone, Rejected, Ambiguous.
        """
        return (await self.stream_state(stream)).last
