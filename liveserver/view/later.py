"""What is to be said, not yet in words: most of it is heard by nobody, or in one dialect alone."""

from collections.abc import Callable
from typing import Any

import msgspec

from liveserver.protocol.server_messages import Data, Message, MessageType


class Later(msgspec.Struct, frozen=True):
    """A message that is put into words once somebody hears it."""

    type: MessageType
    words: Callable[..., Data]
    arguments: tuple[Any, ...]

    def message(self) -> Message:
        return Message(self.type, self.words(*self.arguments))
