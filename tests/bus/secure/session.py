"""A raw connection of one user to a secured bus: sends what our own client would not."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from bus import BusContext, read_context

TIMEOUT_S = 5.0
POLL_S = 0.02


@dataclass
class Session:
    """A raw connection of one user, with the errors that the server sends to it."""

    user: str
    context: BusContext
    nc: Client
    errors: list[str] = field(default_factory=list)
    replies: "asyncio.Queue[Msg]" = field(default_factory=asyncio.Queue)
    count: int = 0

    async def is_permitted(self, send: Awaitable[object]) -> bool:
        """Return whether the server accepts what is sent: errors precede the answer to the ping."""
        before = len(self.errors)
        await send
        # The client sends the first ping ahead of what it has buffered.
        await self.nc.flush()
        await self.nc.flush()
        return len(self.errors) == before

    async def request(
        self, subject: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Mapping[str, object] | None:
        """Return the reply, with `_status` for one without a body; None if the server does not permit the request."""
        self.count += 1
        inbox = f"{self.context.inbox_prefix}.trial.{self.count}"
        subscription = await self.nc.subscribe(inbox)
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        try:
            before = len(self.errors)
            await self.nc.publish(subject, data, reply=inbox, headers=headers)
            deadline = asyncio.get_running_loop().time() + TIMEOUT_S
            while (message := await _next(subscription)) is None:
                if len(self.errors) > before:
                    return None
                if asyncio.get_running_loop().time() > deadline:
                    raise TimeoutError(f"no reply to {subject} of {self.user}")
        finally:
            await subscription.unsubscribe()
        if not message.data:
            return {"_status": (message.headers or {}).get("Status", "")}
        if message.headers and "Nats-Stream" in message.headers:
            return {"_stored": message.data}
        return dict(json.loads(message.data))

    async def succeeds(
        self, subject: str, body: object = None, headers: dict[str, str] | None = None
    ) -> bool:
        """Return whether a request is permitted and answered without an error."""
        try:
            reply = await self.request(subject, body, headers)
        except TimeoutError:
            return False
        return reply is not None and "error" not in reply and reply.get("_status") != "503"


async def _next(subscription: Subscription) -> Msg | None:
    try:
        return await subscription.next_msg(POLL_S)
    except nats.errors.TimeoutError:
        return None


@asynccontextmanager
async def session(root: Path, user: str) -> AsyncIterator[Session]:
    """Connect as a user, without the checks of our own client."""
    context, nc = read_context(root / "contexts" / f"{user}.json"), Client()
    found = Session(user, context, nc)

    async def on_error(error: Exception) -> None:
        found.errors.append(str(error))

    options = {key: each for key, each in context.options().items() if key != "inbox_prefix"}
    await nc.connect(context.url, **options, error_cb=on_error, allow_reconnect=False)
    try:
        yield found
    finally:
        await nc.close()
