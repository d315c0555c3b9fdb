"""The page's files: what is served, and what is not."""

import gzip
import os
from pathlib import Path

import pytest

from liveserver.http.assets import LIBRARY, Assets, PageIncomplete


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "web" / "vendor").mkdir(parents=True)
    for name in ("index.html", "main.js", "notes.txt", LIBRARY):
        (tmp_path / "web" / name).write_text(f"this is {name}")
    (tmp_path / "secret.js").write_text("key")
    return tmp_path / "web"


def test_a_file_comes_with_its_type_and_packed(root: Path) -> None:
    asset = Assets(root).get("main.js")

    assert asset is not None
    assert (asset.body, asset.media_type) == (b"this is main.js", "text/javascript")
    assert gzip.decompress(asset.packed) == asset.body


@pytest.mark.parametrize("name", ["../secret.js", "/../secret.js", "notes.txt", "absent.js", "", "vendor"])
def test_nothing_else_is_served(root: Path, name: str) -> None:
    assert Assets(root).get(name) is None


def test_an_edit_shows_at_the_next_reload(root: Path) -> None:
    assets = Assets(root)
    before = assets.get("main.js")
    (root / "main.js").write_text("edited")
    os.utime(root / "main.js", ns=(1, 1))
    after = assets.get("main.js")

    assert before is not None
    assert after is not None
    assert after.body == b"edited"
    assert after.etag != before.etag


def test_a_missing_library_is_named_with_what_to_do(root: Path) -> None:
    (root / LIBRARY).unlink()

    with pytest.raises(PageIncomplete, match=r"no vendor/lightweight-charts\.mjs: install"):
        Assets(root).check()
