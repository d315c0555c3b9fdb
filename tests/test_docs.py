"""The documents: the files that they name exist, and prose is wrapped at 100 columns."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.layout import PACKAGES, ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")])
MAX_COLUMNS = 100
_FILE = re.compile(rf"`((?:{'|'.join((*PACKAGES, 'tests'))})/[\w/]+\.(?:py|js|yaml))`")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def prose(text: str) -> Iterator[str]:
    """Yield the lines that are not in a table or a code block."""
    is_code = False
    for line in text.splitlines():
        if line.startswith("```"):
            is_code = not is_code
        elif not is_code and not line.startswith("|"):
            yield line


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_exist_and_prose_is_wrapped(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    missing = [name for name in _FILE.findall(text) if not (ROOT / name).is_file()]
    missing += [link for link in _LINK.findall(text) if not (path.parent / link).exists()]

    assert missing == []
    assert [line for line in prose(text) if len(line) > MAX_COLUMNS and "](" not in line] == []
