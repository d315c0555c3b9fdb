"""The Kubernetes manifests: valid for the API, and consistent in themselves. No cluster runs here."""

from pathlib import Path

import pytest

from cli.parser import GROUPS
from tests.deploy.manifests import OVERLAYS, Object, build, keys_of, of_kind, pods, selectors, selects

API_VERSIONS = ("1.30", "1.33", "1.37")


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """Return the objects of an overlay."""
    return build(request.param, tmp_path_factory.mktemp("overlay"))


@pytest.mark.parametrize("version", API_VERSIONS)
def test_each_object_is_valid_and_has_no_unknown_field(objects: list[Object], version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate")

    for each in objects:
        validator.validate(each, version, strict=True)


def test_a_misspelled_field_is_found(objects: list[Object]) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    service = {**of_kind(objects, "Service")[0], "spce": {}}

    with pytest.raises(validator.ValidationError):
        validator.validate(service, API_VERSIONS[0], strict=True)


def test_each_part_has_one_workload(objects: list[Object]) -> None:
    parts = {usage.split()[0] for usage in GROUPS["run a single part"]} | {"apply"}
    components = [pod.labels["app.kubernetes.io/component"] for pod in pods(objects)]

    assert sorted(components) == sorted(parts)
    for pod in pods(objects):
        assert selects(pod.workload["spec"]["selector"], pod), pod.name
        assert pod.container.get("args", ["bus"])[0] == pod.labels["app.kubernetes.io/component"]


def test_each_selector_selects_a_pod(objects: list[Object]) -> None:
    for name, selector in selectors(objects):
        assert any(selects(selector, pod) for pod in pods(objects)), (name, selector)


def test_each_named_port_exists(objects: list[Object]) -> None:
    for service in of_kind(objects, "Service"):
        chosen = [pod for pod in pods(objects) if selects(service["spec"]["selector"], pod)]
        for port in service["spec"]["ports"]:
            assert all(port["targetPort"] in pod.ports for pod in chosen), service["metadata"]["name"]
    for pod in pods(objects):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            action = pod.container[probe].get("httpGet") or pod.container[probe].get("tcpSocket")
            assert action is None or action["port"] in pod.ports, (pod.name, probe)
    for policy in of_kind(objects, "NetworkPolicy"):
        chosen = [pod for pod in pods(objects) if selects(policy["spec"]["podSelector"], pod)]
        for rule in policy["spec"].get("ingress", ()):
            named = [port["port"] for port in rule["ports"]]
            assert all(name in pod.ports for pod in chosen for name in named), policy["metadata"]["name"]


def test_the_ingress_leads_to_the_live_servers(objects: list[Object]) -> None:
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "Service")}
    for ingress in of_kind(objects, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            backend = rule["http"]["paths"][0]["backend"]["service"]
            ports = [each["name"] for each in services[backend["name"]]["ports"]]
            assert (backend["name"], backend["port"]["name"] in ports) == ("liveserver", True)


def test_each_volume_exists(objects: list[Object]) -> None:
    known = keys_of(objects)
    for pod in pods(objects):
        volumes = {each["name"]: each for each in pod.spec["volumes"]}
        mounted = {each["name"] for each in pod.container["volumeMounts"]}
        assert mounted == {*volumes, *pod.claims}, pod.name
        for volume in volumes.values():
            if secret := volume.get("secret"):
                items = {each["key"] for each in secret.get("items", ())}
                assert items <= known["Secret", secret["secretName"]], pod.name
            if config := volume.get("configMap"):
                assert ("ConfigMap", config["name"]) in known, pod.name


def test_each_pod_is_hardened_and_has_limits(objects: list[Object]) -> None:
    for pod in pods(objects):
        security, rights = pod.spec["securityContext"], pod.container["securityContext"]
        assert (security["runAsUser"], security["runAsNonRoot"]) == (10001, True), pod.name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod.spec["automountServiceAccountToken"] is False
        assert rights["allowPrivilegeEscalation"] is False
        assert (rights["readOnlyRootFilesystem"], rights["capabilities"]) == (True, {"drop": ["ALL"]})
        assert "memory" in pod.container["resources"]["limits"]


def test_liveness_does_not_depend_on_the_bus(objects: list[Object]) -> None:
    for pod in pods(objects):
        liveness = pod.container["livenessProbe"]
        path = liveness.get("httpGet", {"path": "none"})["path"]
        assert path == ("none" if pod.labels["app.kubernetes.io/component"] == "bus" else "/health"), pod.name


def test_who_may_reach_whom(objects: list[Object]) -> None:
    uses = {
        key: {
            pod.labels["app.kubernetes.io/component"]
            for pod in pods(objects)
            if pod.labels.get(key) == "true"
        }
        for key in ("opensqt.io/uses-bus", "opensqt.io/uses-venue")
    }
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "NetworkPolicy")}

    assert uses["opensqt.io/uses-bus"] == {"apply", "market", "account", "gateway", "engine", "liveserver"}
    assert uses["opensqt.io/uses-venue"] == {"market", "account", "gateway"}
    assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    outward = [
        name for name, spec in policies.items() if "Egress" in spec["policyTypes"] and name != "deny-all"
    ]
    assert sorted(outward) == ["bus", "resolve-names", "uses-bus", "uses-venue"]


def test_a_rolling_update_never_has_fewer_live_servers(objects: list[Object]) -> None:
    [server] = [pod for pod in pods(objects) if pod.labels["app.kubernetes.io/component"] == "liveserver"]
    delays = [
        float(each.partition("=")[2])
        for each in server.container["args"]
        if each.startswith(("--shutdown", "--drain"))
    ]

    assert server.workload["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert len(delays) == 2
    assert sum(delays) + 5 <= server.spec["terminationGracePeriodSeconds"]


def test_the_keys_of_the_bus_are_not_in_the_repository() -> None:
    ignored = (Path(__file__).parents[2] / "deploy/kubernetes/.gitignore").read_text(encoding="utf-8")

    assert "/overlays/*/bus/" in ignored.splitlines()
