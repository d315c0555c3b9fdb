"""Console lines, the progress line and tables."""

import io

from cli.console import Console, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_is_printed_above_the_progress_line() -> None:
    out = Terminal()
    console = Console(out)

    console.progress("10 %")
    console.print("hello")

    assert out.getvalue() == "10 %\r\x1b[Khello\n10 %"


def test_progress_is_rate_limited_without_a_terminal() -> None:
    out = io.StringIO()
    console = Console(out)

    console.progress("10 %")
    console.progress("11 %")

    assert out.getvalue() == "10 %\n"


def test_a_closed_output_is_ignored() -> None:
    out = io.StringIO()
    console = Console(out)
    out.close()

    console.print("hello")


def test_columns_can_be_right_aligned() -> None:
    assert table(["A", "B"], [["x", "1"], ["yy", "22"]], frozenset({1})) == "A    B\nx    1\nyy  22"
