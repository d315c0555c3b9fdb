"""Lines, progress and tables."""

import io

from cli.console import Console, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_goes_above_the_progress_line() -> None:
    out = Terminal()
    console = Console(out)

    console.progress("10 %")
    console.say("hello")

    assert out.getvalue() == "10 %\r\x1b[Khello\n10 %"


def test_without_a_terminal_progress_is_told_now_and_then() -> None:
    out = io.StringIO()
    console = Console(out)

    console.progress("10 %")
    console.progress("11 %")

    assert out.getvalue() == "10 %\n"


def test_an_output_that_was_closed_stops_nothing() -> None:
    out = io.StringIO()
    console = Console(out)
    out.close()

    console.say("hello")


def test_numbers_are_set_to_the_right() -> None:
    assert table(["A", "B"], [["x", "1"], ["yy", "22"]], frozenset({1})) == "A    B\nx    1\nyy  22"
