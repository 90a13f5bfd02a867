"""The Kubernetes manifests: kustomize builds them, and no pod has more than it needs."""

import shutil
import subprocess

import pytest
import yaml

PODS = ("store", "worker", "heasoft-worker")
SECRET = {"ledger", "prefect-auth", "store-key", "store-secret"}

every_pod = pytest.mark.parametrize("name", PODS)


@pytest.fixture
def pod(pods, name):
    return pods[name]


@pytest.fixture
def container(pod):
    (only,) = pod["containers"]
    return only


def test_every_pod_is_looked_at(pods):
    assert set(pods) == set(PODS)


@every_pod
def test_a_pod_has_no_rights(pod, container):
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]


@every_pod
def test_a_pod_is_bounded_and_watched(container):
    for kind in ("requests", "limits"):
        assert {"cpu", "memory"} <= container["resources"][kind].keys()
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] == "/health"
        assert container[probe]["httpGet"]["port"] in ports


@every_pod
def test_what_a_pod_mounts_exists(pod, container, manifests):
    claims = {item["metadata"]["name"] for item in manifests if item["kind"] == "PersistentVolumeClaim"}
    made = {volume["name"] for volume in pod["volumes"]}
    for item in manifests:
        made |= {claim["metadata"]["name"] for claim in item.get("spec", {}).get("volumeClaimTemplates", [])}
    assert {mount["name"] for mount in container["volumeMounts"]} <= made
    for volume in pod["volumes"]:
        if "persistentVolumeClaim" in volume:
            assert volume["persistentVolumeClaim"]["claimName"] in claims


@every_pod
def test_secrets_are_named_and_nothing_more(container):
    for variable in container["env"]:
        if "valueFrom" in variable:
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["name"] == "xtendflow"
            assert reference["key"] in SECRET


def test_the_repository_holds_no_secret(manifests):
    assert "Secret" not in {item["kind"] for item in manifests}


def test_the_page_says_how_the_secret_is_made(texts):
    assert "create secret generic xtendflow --from-env-file=secrets.env" in texts["README.md"]
    assert all(f"`{key}=" in texts["README.md"] for key in SECRET)


@pytest.mark.parametrize(("name", "queue"), [("worker", "default"), ("heasoft-worker", "heasoft")])
def test_workers_serve_their_queue_with_the_settings_of_all(container, queue):
    assert container["args"][:5] == ["worker.sh", "--pool", "xtendflow", "--work-queue", queue]
    assert container["envFrom"] == [{"configMapRef": {"name": "xtendflow"}}]


def test_only_heasoft_has_the_calibration_files_and_reads_them_alone(pods):
    mounted = {
        name: mount
        for name, pod in pods.items()
        for mount in pod["containers"][0]["volumeMounts"]
        if mount["name"] == "caldb"
    }
    assert mounted == {"heasoft-worker": {"name": "caldb", "mountPath": "/caldb", "readOnly": True}}
    told = {item["name"]: item.get("value", "") for item in pods["heasoft-worker"]["containers"][0]["env"]}
    assert told["CALDB"] == "/caldb"
    assert all(told[name].startswith("/caldb/software/") for name in ("CALDBCONFIG", "CALDBALIAS"))


def test_the_archive_is_not_looked_for_in_the_store(manifests):
    (settings,) = (item["data"] for item in manifests if item["kind"] == "ConfigMap")
    assert "AWS_ENDPOINT_URL_S3" in settings
    assert not settings["XTENDFLOW_ARCHIVE"].startswith("s3:")
    assert all(isinstance(value, str) for value in settings.values())


def test_the_store_is_reached_by_workers_alone(manifests, pods):
    closed, open_to = (item["spec"] for item in manifests if item["kind"] == "NetworkPolicy")
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress"]}
    (service,) = (item["spec"] for item in manifests if item["kind"] == "Service")
    assert open_to["podSelector"]["matchLabels"] == service["selector"]
    (rule,) = open_to["ingress"]
    let_in = rule["from"][0]["podSelector"]["matchLabels"].items()
    labels = {
        item["metadata"]["name"]: item["spec"]["template"]["metadata"]["labels"].items()
        for item in manifests
        if item["metadata"]["name"] in pods and "template" in item.get("spec", {})
    }
    assert {name for name, own in labels.items() if let_in <= own} == {"worker", "heasoft-worker"}


def test_kustomize_builds_it(infra, manifests):
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        [kubectl, "kustomize", infra / "kubernetes"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert len(built) == len(manifests)
    assert {item["metadata"].get("namespace", "xtendflow") for item in built} == {"xtendflow"}
    used = {
        container["image"]
        for item in built
        for container in item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    }
    assert all(":" in image for image in used)
