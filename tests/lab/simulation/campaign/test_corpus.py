"""Files of seeds and faults."""

from pathlib import Path

import pytest

from cli.errors import CommandError
from lab.simulation.campaign.corpus import CORPUS_FILE, KNOWN_FILE, add_to_corpus, read_corpus
from lab.simulation.universe import UniverseSettings


def test_what_is_added_is_read_again(tmp_path: Path) -> None:
    path, settings = tmp_path / "corpus.txt", UniverseSettings(7, 0.03, ("kill", "pause#2"))
    add_to_corpus(path, settings, ["the accounts match the venue"])
    add_to_corpus(path, UniverseSettings(8, 0.1, ()), [])
    first, second = read_corpus(path)
    assert (first.settings, first.text) == (settings, "the accounts match the venue")
    assert second.settings == UniverseSettings(8, 0.1, ())


@pytest.mark.parametrize("line", ["seven 0.1 kill", "7 0.1", "7 0.1 kil"])
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(f"# a comment\n\n{line}\n")
    with pytest.raises(CommandError, match=r"corpus\.txt:3: write"):
        read_corpus(path)


@pytest.mark.parametrize("path", [CORPUS_FILE, KNOWN_FILE])
def test_the_committed_files_can_be_read(path: Path) -> None:
    read_corpus(path)
