"""One text message that comes in fragments: what is not UTF-8 is found with the fragment that makes it so."""

import codecs

_new_decoder = codecs.getincrementaldecoder("utf-8")


class NotText(ValueError):
    """The message is not UTF-8."""


class Fragments:
    """What there is of a message. Its size is bounded by whoever reads the frames."""

    __slots__ = ("_data", "_decoder")

    def __init__(self) -> None:
        self._data = bytearray()
        self._decoder = _new_decoder()

    def put(self, data: bytes | bytearray | memoryview, *, is_last: bool) -> bytes | None:
        """Add a fragment; return the message when it is whole.

        Raises: NotText, as soon as that is certain.
        """
        try:
            self._decoder.decode(bytes(data), is_last)
        except UnicodeDecodeError as error:
            raise NotText from error
        self._data += data
        return bytes(self._data) if is_last else None
