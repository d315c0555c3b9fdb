"""The settings of a symbol that is added by hand: from a file, from the command line, or both."""

import os
from collections.abc import Mapping
from pathlib import Path

from cli.config.file import ConfigurationError
from cli.config.section import Section
from cli.config.symbols import read_settings
from cli.config.yaml import Entry, Mistake, Scalar, Table, parse
from cli.errors import CommandError
from schemas.grid.settings import GridSettings
from schemas.units import Symbol

ELSEWHERE = ("venue", "symbol", "generation")
"""Keys of an entry that the command names, or the engine finds."""


def read_settings_of(symbol: Symbol, file: Path | None, changes: Mapping[str, str]) -> GridSettings:
    """Return the settings in a file with changes written over them.

    Raises: CommandError with every mistake.
    """
    mistakes: list[Mistake] = []
    entries = {} if file is None else {entry.key: entry for entry in _entries(file, mistakes)}
    entries |= {name: Entry(name, 0, Scalar(value, value, 0)) for name, value in changes.items()}
    kept = tuple(entry for name, entry in entries.items() if name not in ELSEWHERE)
    section = Section(Table(kept, 1), "", mistakes)
    settings, amounts = read_settings(section)
    section.close()
    quote = symbol.partition("/")[2].partition(":")[0]
    for name, amount in amounts:
        if amount.currency != quote and section.is_sound:
            section.note(
                f"{name} has to be in {quote}, the quote currency of {symbol}, not {amount.currency}"
            )
    if mistakes and file is not None:
        raise ConfigurationError(file, mistakes)
    if mistakes:
        raise CommandError("; ".join(mistake.text for mistake in mistakes))
    return settings


def _entries(file: Path, mistakes: list[Mistake]) -> tuple[Entry, ...]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
    tree, found = parse(text, os.environ)
    mistakes += found
    if isinstance(tree, Table):
        return tree.entries
    if tree is not None:
        mistakes.append(Mistake(1, "the file has to be a table of keys and values: one entry of symbols"))
    return ()
