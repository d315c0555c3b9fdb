"""Static files of the page: types, caching, and files that are not served."""

import gzip
import os
from pathlib import Path

import pytest

from liveserver.http.assets import CHART_LIBRARY, Assets, MissingPageFile


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("vendor", "charts"):
        (tmp_path / "web" / folder).mkdir(parents=True)
    for name in ("index.html", "main.js", "charts/chart.js", "notes.txt", CHART_LIBRARY):
        (tmp_path / "web" / name).write_text(f"this is {name}")
    (tmp_path / "secret.js").write_text("key")
    (tmp_path / "web" / "link.js").symlink_to(tmp_path / "secret.js")
    return tmp_path / "web"


def test_file_has_media_type_and_gzip(root: Path) -> None:
    asset = Assets(root).get("main.js")

    assert asset is not None
    assert (asset.body, asset.media_type) == (b"this is main.js", "text/javascript")
    assert gzip.decompress(asset.gzipped) == asset.body


@pytest.mark.parametrize(
    "name",
    [
        "../secret.js",
        "/../secret.js",
        "charts/../../secret.js",
        "link.js",
        "notes.txt",
        "absent.js",
        "",
        "vendor",
    ],
)
def test_other_files_are_not_served(root: Path, name: str) -> None:
    assert Assets(root).get(name) is None


def test_file_in_a_sub_folder_is_served(root: Path) -> None:
    asset = Assets(root).get("charts/chart.js")

    assert asset is not None
    assert asset.body == b"this is charts/chart.js"


def test_edited_file_is_read_again(root: Path) -> None:
    assets = Assets(root)
    before = assets.get("main.js")
    (root / "main.js").write_text("edited")
    os.utime(root / "main.js", ns=(1, 1))
    after = assets.get("main.js")

    assert before is not None
    assert after is not None
    assert after.body == b"edited"
    assert after.etag != before.etag


def test_missing_chart_library_is_reported_with_a_remedy(root: Path) -> None:
    (root / CHART_LIBRARY).unlink()

    with pytest.raises(MissingPageFile, match=r"lacks the file vendor/lightweight-charts\.mjs: reinstall"):
        Assets(root).check()
