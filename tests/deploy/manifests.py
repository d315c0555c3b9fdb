"""The Kubernetes manifests of an overlay, as `kubectl apply -k` sends them, with made-up keys of the bus."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.layout import ROOT

OVERLAYS = ("sim", "production")
FOLDER = ROOT / "deploy" / "kubernetes"
WORKLOADS = ("Deployment", "StatefulSet")

Object = dict[str, Any]


class Pod(NamedTuple):
    """A workload and the pod that it starts. Each pod has one container."""

    workload: Object
    labels: Mapping[str, str]
    spec: Object

    @property
    def name(self) -> str:
        return f"{self.workload['kind']} {self.workload['metadata']['name']}"

    @property
    def container(self) -> Object:
        container: Object = self.spec["containers"][0]
        return container

    @property
    def ports(self) -> dict[str, int]:
        return {each["name"]: each["containerPort"] for each in self.container.get("ports", ())}

    @property
    def claims(self) -> list[str]:
        """The names of the volumes that the workload claims for each pod."""
        claims = self.workload["spec"].get("volumeClaimTemplates", ())
        return [each["metadata"]["name"] for each in claims]


def build(
    overlay: str,
    folder: Path,
    write_keys: Callable[[Path], None] | None = None,
    replaced: Sequence[tuple[str, str]] = (),
) -> list[Object]:
    """Return the objects of an overlay, built in an empty folder; skip the test if no builder is installed.

    `write_keys` fills the folder of the keys of the bus, by default with made-up text; `replaced` are texts in the
    configuration.
    """
    builders = (["kustomize", "build"], ["kubectl", "kustomize"])
    command = next((each for each in builders if shutil.which(each[0])), None)
    if command is None:
        pytest.skip("needs kustomize or kubectl")
    root = folder / "kubernetes" / "overlays" / overlay
    shutil.copytree(FOLDER, folder / "kubernetes", ignore=shutil.ignore_patterns("bus"))
    (write_keys or (lambda keys: _make_up(keys, overlay)))(root / "bus")
    configuration = root / "opensqt.yaml"
    for old, new in replaced:
        configuration.write_text(
            configuration.read_text(encoding="utf-8").replace(old, new), encoding="utf-8"
        )
    built = subprocess.run([*command, str(root)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    objects: list[Object] = list(yaml.safe_load_all(built.stdout))
    return objects


def _make_up(keys: Path, overlay: str) -> None:
    for name in named_keys(overlay):
        file = keys.parent / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("made up", encoding="utf-8")


def named_keys(overlay: str) -> list[str]:
    """Return the files that the Secrets of an overlay are made from: `bus/contexts/engine.nk`."""
    text = (FOLDER / "overlays" / overlay / "kustomization.yaml").read_text(encoding="utf-8")
    secrets = yaml.safe_load(text)["secretGenerator"]
    return [file.rpartition("=")[2] for secret in secrets for file in secret["files"]]


def pods(objects: list[Object]) -> list[Pod]:
    """Return the pods of all workloads."""
    found = []
    for each in of_kind(objects, *WORKLOADS):
        template = each["spec"]["template"]
        found.append(Pod(each, template["metadata"]["labels"], template["spec"]))
    return found


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def keys_of(objects: list[Object]) -> dict[tuple[str, str], set[str]]:
    """Return the keys of each ConfigMap and Secret by kind and name."""
    return {
        (each["kind"], each["metadata"]["name"]): set(each["data"])
        for each in of_kind(objects, "ConfigMap", "Secret")
    }


def selects(selector: Mapping[str, Any], pod: Pod) -> bool:
    """Return whether a label selector selects a pod; an empty one selects all."""
    labels = selector.get("matchLabels", selector)
    return bool(pod.labels.items() >= labels.items())


def selectors(objects: list[Object]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each selector of pods of this namespace, with the name of its object."""
    for each in objects:
        name, spec = f"{each['kind']} {each['metadata']['name']}", each.get("spec", {})
        match each["kind"]:
            case "Service":
                yield name, spec["selector"]
            case "PodDisruptionBudget":
                yield name, spec["selector"]
            case "NetworkPolicy":
                yield name, spec["podSelector"]
                for peer in peers(spec):
                    if "namespaceSelector" not in peer:
                        yield name, peer["podSelector"]


def peers(policy: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield each peer of the rules of a network policy."""
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for rule in policy.get(direction, ()):
            yield from rule[side]
