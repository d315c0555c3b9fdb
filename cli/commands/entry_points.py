"""Commands that run another package: the parts by themselves (production, compose) and the tools of `lab`."""

import os
import sys
from collections.abc import Sequence
from typing import Never

from cli.stack.process import module_command

MODULES: dict[str, tuple[str, ...]] = {
    "venue": ("producers.simulated",),
    "market": ("producers", "market"),
    "account": ("producers", "account"),
    "gateway": ("producers", "gateway"),
    "engine": ("engine",),
    "liveserver": ("liveserver",),
    "verify": ("lab.chaos",),
    "scenario": ("lab.scenarios",),
    "bench": ("lab.bench",),
}
"""The arguments of `python -m` for each command."""


def exec_module(name: str, arguments: Sequence[str]) -> Never:
    """Replace this process by the command's module.

    Raises: CommandError when the configuration of a live server is invalid.
    """
    if name == "liveserver":
        from cli.stack.live_server import configured

        arguments = configured(arguments, os.environ)
    command = module_command(*MODULES[name], *arguments)
    sys.stdout.flush()
    os.execv(command[0], command)
