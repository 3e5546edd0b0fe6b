"""infra/kubernetes, held to its promises without a cluster.

``.ci/run`` builds all of it with kustomize and asks the published schemas.
"""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from django.conf import settings

from infra.kubernetes import __main__ as rules

FOLDER = settings.BASE_DIR / "infra" / "kubernetes"
BASE = [
    document
    for path in sorted((FOLDER / "base").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
PODS = {
    each["metadata"]["name"]: each["spec"]["template"]["spec"]
    for each in BASE
    if each["kind"] in {"Deployment", "Job"}
}
CONTAINERS = [(name, container) for name, pod in PODS.items() for container in pod["containers"]]
CONFIGURATION = (FOLDER / "base" / "kustomization.yaml").read_text()


def of(kind, name):
    (found,) = (e for e in BASE if e["kind"] == kind and e["metadata"]["name"] == name)
    return found["spec"]


def test_the_committed_rules_are_those_of_prometheus():
    assert rules.FILE.read_text() == rules.text(), "Run `python -m infra.kubernetes`."
    written = {group["name"] for group in yaml.safe_load(rules.FILE.read_text())["spec"]["groups"]}
    ours = [yaml.safe_load(path.read_text())["groups"] for path in rules.RULES.glob("*.yml")]
    assert written == {group["name"] for groups in ours for group in groups}


@pytest.mark.parametrize("folder", ["base", "production", "load"])
def test_kustomize_renders_it(folder):
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl")
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER / folder), "--load-restrictor=LoadRestrictionsNone"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    kinds = {document["kind"] for document in yaml.safe_load_all(rendered.stdout)}
    assert kinds >= ({"TestRun", "ConfigMap"} if folder == "load" else {"Deployment", "Job"})
    assert "image: midst\n" not in rendered.stdout or folder == "base"


@pytest.mark.parametrize("name", PODS)
def test_no_pod_is_root_or_may_ask_the_cluster(name):
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("pod", "container"), CONTAINERS)
def test_every_container_is_read_only_bounded_and_told_only_what_is_read(pod, container):
    limits = container["securityContext"]
    assert limits["readOnlyRootFilesystem"] is True
    assert limits["allowPrivilegeEscalation"] is False
    assert limits["capabilities"] == {"drop": ["ALL"]}
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    code = [
        *(settings.BASE_DIR / "midst").rglob("*.py"),
        settings.BASE_DIR / "infra/gunicorn.conf.py",
    ]
    known = "\n".join(path.read_text() for path in code)
    given = [each["name"] for each in container["env"]]
    given += re.findall(r"- ([A-Z_]+)=", CONFIGURATION)
    for variable in set(given) - {"DJANGO_SETTINGS_MODULE", "OTEL_SERVICE_NAME"}:
        assert f'"{variable}"' in known, variable


def test_each_process_has_the_role_in_postgresql_that_it_has_in_compose():
    database = {}
    for pod, container in CONTAINERS:
        (url,) = (each for each in container["env"] if each["name"] == "DATABASE_URL")
        database[pod, container["name"]] = url["valueFrom"]["secretKeyRef"]["key"]
    owner = {where for where, key in database.items() if key == "OWNER_DATABASE_URL"}
    analysis = {where for where, key in database.items() if key == "ANALYSIS_DATABASE_URL"}
    assert (owner, analysis) == ({("migrate", "migrate")}, {("worker", "worker")})


def test_web_is_replaced_without_a_moment_in_which_nobody_answers():
    web = PODS["web"]["containers"][0]
    strategy = of("Deployment", "web")["strategy"]["rollingUpdate"]
    assert strategy == {"maxUnavailable": 0, "maxSurge": 1}
    assert web["livenessProbe"]["httpGet"]["path"] == "/health"
    assert web["readinessProbe"]["httpGet"]["path"] == "/ready"
    pause = int(web["lifecycle"]["preStop"]["exec"]["command"][-1])
    gunicorn = (settings.BASE_DIR / "infra" / "gunicorn.conf.py").read_text()
    (graceful,) = re.findall(r"^graceful_timeout = (\d+)", gunicorn, re.M)
    assert PODS["web"]["terminationGracePeriodSeconds"] > pause + int(graceful)
    assert (
        of("HorizontalPodAutoscaler", "web")["minReplicas"]
        > of("PodDisruptionBudget", "web")["maxUnavailable"]
    )


def test_there_is_one_beat_and_workers_grow_with_the_queue():
    beat = of("Deployment", "beat")
    assert (beat["replicas"], beat["strategy"]) == (1, {"type": "Recreate"})
    (trigger,) = of("ScaledObject", "worker")["triggers"]
    assert trigger["metadata"]["query"] == "max(celery_queue_depth)"


def test_what_no_policy_names_is_refused():
    deny = of("NetworkPolicy", "deny")
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


# Its own fields and their types, as k6-operator declares them (api/v1alpha1/testrun_types.go).
TESTRUN = {
    "parallelism": int, "arguments": str, "separate": bool, "quiet": str, "paused": str,
    "cleanup": str, "script": dict, "runner": dict, "initializer": dict, "starter": dict,
}  # fmt: skip


def test_the_load_run_has_fields_that_the_operator_knows_and_a_place_to_write():
    run = yaml.safe_load((FOLDER / "load" / "testrun.yaml").read_text())
    assert (run["apiVersion"], run["kind"]) == ("k6.io/v1alpha1", "TestRun")
    spec = run["spec"]
    assert {name: type(spec[name]) for name in spec} == {name: TESTRUN[name] for name in spec}
    assert spec["script"].keys() == {"configMap"}
    assert spec["script"]["configMap"].keys() <= {"name", "file"}
    runner = spec["runner"]
    assert isinstance(runner["automountServiceAccountToken"], str)
    # Its first pod, which is like a runner, writes an archive of the script to /tmp.
    assert runner["containerSecurityContext"]["readOnlyRootFilesystem"] is True
    (mount,) = (each for each in runner["volumeMounts"] if each["mountPath"] == "/tmp")
    (volume,) = (each for each in runner["volumes"] if each["name"] == mount["name"])
    assert "emptyDir" in volume


def test_the_load_run_has_the_scenario_and_all_scripts():
    run = yaml.safe_load((FOLDER / "load" / "testrun.yaml").read_text())["spec"]
    environment = {each["name"]: each["value"] for each in run["runner"]["env"]}
    scenarios = json.loads((settings.BASE_DIR / "infra/k6/scenarios.json").read_text())
    del scenarios["smoke"]["title"]
    assert json.loads(environment["PLAN"]) == scenarios["smoke"]
    files = yaml.safe_load((FOLDER / "load" / "kustomization.yaml").read_text())
    (scripts,) = files["configMapGenerator"]
    names = {(FOLDER / "load" / path).resolve() for path in scripts["files"]}
    assert names >= set((settings.BASE_DIR / "perfops/load/scripts").glob("*.js"))
    assert all(path.exists() for path in names)
