"""Pods as processes of this machine: the container's command, environment and mounted files, with other ports."""

import asyncio
import base64
import os
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from bus.service.embedded_server import find_nats_server
from cli.stack.ports import find_free_port
from tests.deploy.manifests import Object, Pod
from tests.layout import ROOT

PROBE_EVERY_S = 0.2


class PodProcess:
    """A pod without a cluster: volumes are folders, and paths in the command and environment are theirs."""

    def __init__(self, pod: Pod, objects: list[Object], folder: Path, port: int = 0) -> None:
        self.name = pod.workload["metadata"]["name"]
        self.port = port or find_free_port()
        self._container = pod.container
        self._folder = folder
        folder.mkdir(parents=True)
        for volume in pod.spec["volumes"]:
            self._fill(volume, objects)
        mounts = {each["mountPath"]: self._source(each) for each in pod.container["volumeMounts"]}
        self._paths = sorted(mounts.items(), key=lambda each: -len(each[0]))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the command of the container."""
        container = self._container
        if command := container.get("command"):
            arguments = [str(find_nats_server()), *command[1:]]
        else:
            arguments = [sys.executable, "-m", "cli", *container["args"]]
        given = {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
        local = {"OPENSQT_HTTP_HOST": "127.0.0.1", "OPENSQT_HTTP_PORT": str(self.port)}
        environment = {name: local.get(name, self._local(value)) for name, value in given.items()}
        replaced = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=8080": f"--port={self.port}"}
        with (self._folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(replaced.get(each, self._local(each)) for each in arguments),
                cwd=self._local(container.get("workingDir", str(self._folder))),
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdout=log,
                stderr=log,
            )

    async def wait_probe(self, kind: str) -> None:
        """Return when an HTTP probe succeeds. Raises: AssertionError with the log when the process has ended."""
        path = self._container[kind]["httpGet"]["path"]
        while not await asyncio.to_thread(_is_answered, f"http://127.0.0.1:{self.port}{path}"):
            assert self._process is not None
            assert self._process.returncode is None, self.log
            await asyncio.sleep(PROBE_EVERY_S)

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code; 0 if it was not started."""
        if self._process is None:
            return 0
        with suppress(ProcessLookupError):
            self._process.terminate()
        return await self._process.wait()

    @property
    def log(self) -> str:
        return f"{self.name}: {(self._folder / 'log').read_text(encoding='utf-8')}"

    def _fill(self, volume: Object, objects: list[Object]) -> None:
        target = self._folder / volume["name"]
        target.mkdir()
        source = volume.get("secret") or volume.get("configMap")
        if source is None:
            return
        name = source.get("secretName") or source["name"]
        data = next(each["data"] for each in objects if each["metadata"]["name"] == name and "data" in each)
        for item in source.get("items") or [{"key": key, "path": key} for key in data]:
            path = target / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            text = data[item["key"]]
            path.write_bytes(base64.b64decode(text) if "secret" in volume else text.encode())

    def _source(self, mount: Object) -> Path:
        """Return what is mounted: a volume, a file of it, or the folder of it that has the pod's name."""
        source = self._folder / mount["name"]
        source.mkdir(exist_ok=True)  # a claimed volume
        part = mount.get("subPath") or mount.get("subPathExpr", "").replace("$(POD_NAME)", f"{self.name}-0")
        return Path(source / part)

    def _local(self, text: str) -> str:
        for path, source in self._paths:
            text = text.replace(path, str(source)) if path != "/tmp" else text
        return text


def _is_answered(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
