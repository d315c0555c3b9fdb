"""`schema --reasons`: the committed document is current."""

import pytest

from cli.__main__ import parse
from cli.schema import reasons
from schemas.reasons.table import TABLE
from tests.layout import ROOT


def test_the_committed_document_is_current() -> None:
    committed = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")

    assert committed == reasons.text(), "regenerate it: ./opensqt schema --reasons > docs/reasons.md"


def test_the_command_prints_every_code(capsys: pytest.CaptureFixture[str]) -> None:
    command, options = parse("schema", ["--reasons"])

    assert command.run(options) == 0
    printed = capsys.readouterr().out
    assert [code for codes in TABLE.values() for code in codes if f"| `{code}` | " not in printed] == []
