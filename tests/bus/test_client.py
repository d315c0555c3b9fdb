"""Headers are read as the library reads them."""

import pytest
from nats.aio.client import Client

from bus.client import QuickClient


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"content-type: application/json\r\nschema: Trade\r\nNats-Msg-Id: a:b c\r\n\r\n",
        b"empty:\r\nnone\r\n tight:x\r\nwide:\t y \r\n",
        b"two words: x\r\nn\xc3\xb6: y\r\nvalue: \xc3\xb6\xff\r\n",
        b"twice: 1\r\ntwice: 2\r\n",
    ],
)
def test_headers_are_those_of_the_library(raw: bytes) -> None:
    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)
