"""The error that ends a command with a message instead of a traceback."""


class CommandError(Exception):
    """A command cannot continue. The message names what is wrong, where, and what the user can do."""
