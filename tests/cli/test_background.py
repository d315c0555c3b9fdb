"""Commands on the event loop: errors for users end them with one line."""

import pytest

from cli.background import run_main
from cli.errors import CommandError
from schemas.codec import decode


def test_a_format_that_is_too_new_ends_a_command_with_its_sentence() -> None:
    async def command() -> int:
        decode(b'{"type":"Step","venue":"sim","symbol":"A/B","step":1,"minimum_reader":99}')
        return 0

    with pytest.raises(CommandError, match=r"^this step of sim A/B was written by a newer version"):
        run_main(command)
