"""Check text files: valid YAML and JSON, UTF-8, no trailing white space, no CR, a newline at the end.

python .ci/check_files.py [FILE...]        by default all files that git tracks
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

GENERATED = {"package-lock.json", "golden"}
"""Files written by tools, and folders of recorded messages: their white space is not checked."""


def problems(path: Path) -> Iterator[str]:
    """Yield the problems of one file as `file:line: problem`."""
    data = path.read_bytes()
    if b"\0" in data:
        return
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        yield f"{path}:{line}: not UTF-8"
        return
    if GENERATED.isdisjoint(path.parts):
        yield from _white_space(path, text)
    if path.suffix in {".yaml", ".yml"}:
        try:
            list(yaml.safe_load_all(text))
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            yield f"{path}:{line}: not YAML: {error.problem}"
        except yaml.YAMLError as error:
            yield f"{path}:1: not YAML: {error}"
    elif path.suffix == ".json":
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            yield f"{path}:{error.lineno}: not JSON: {error.msg}"


def _white_space(path: Path, text: str) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.endswith("\r"):
            yield f"{path}:{number}: line ends with CR"
        elif line != line.rstrip(" \t"):
            yield f"{path}:{number}: trailing white space"
    if text and not text.endswith("\n"):
        yield f"{path}:{text.count(chr(10)) + 1}: no newline at the end of the file"
    elif text.endswith("\n\n"):
        yield f"{path}:{text.count(chr(10))}: empty line at the end of the file"


def tracked_files() -> list[Path]:
    """Return the files that git tracks, without symbolic links and deleted files."""
    names = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout.decode()
    return [Path(name) for name in names.split("\0") if name]


def main() -> int:
    """Print all problems; return 1 if there are any."""
    paths = [Path(name) for name in sys.argv[1:]] or tracked_files()
    found = [text for path in paths if path.is_file() and not path.is_symlink() for text in problems(path)]
    for text in found:
        print(text)  # noqa: T201 - the output of the command
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
