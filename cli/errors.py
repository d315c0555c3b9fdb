"""What ends a command: one line that says what is wrong and what to do."""


class CommandError(Exception):
    """A command cannot go on, for a reason that its user can do something about."""
