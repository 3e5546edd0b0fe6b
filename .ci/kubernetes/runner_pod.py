"""Reads a TestRun of k6-operator, prints the pod that the operator makes of its runner, as YAML.

The operator's schema is in no package, but all below ``runner`` that is not its own is a pod's, as
Kubernetes' published schemas have it.
"""

import sys
from pathlib import Path

import yaml

OF_POD = {
    "affinity", "imagePullSecrets", "nodeSelector", "priorityClassName", "schedulerName",
    "securityContext", "serviceAccountName", "tolerations", "topologySpreadConstraints", "volumes",
}  # fmt: skip
OF_CONTAINER = {
    "env", "envFrom", "image", "imagePullPolicy", "livenessProbe", "readinessProbe", "resources",
    "volumeMounts",
}  # fmt: skip


def pod(run: dict) -> dict:
    """Return the pod; raises ``ValueError`` for a field that is none of a runner's."""
    runner = run["spec"]["runner"]
    own = {"automountServiceAccountToken", "containerSecurityContext", "initContainers", "metadata"}
    unknown = runner.keys() - OF_POD - OF_CONTAINER - own
    if unknown:
        raise ValueError(f"no field of a runner: {sorted(unknown)}")
    container = {name: runner[name] for name in runner.keys() & OF_CONTAINER}
    if "containerSecurityContext" in runner:
        container["securityContext"] = runner["containerSecurityContext"]
    spec = {name: runner[name] for name in runner.keys() & OF_POD}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": run["metadata"]["name"]},
        "spec": {"containers": [{"name": "k6", **container}], **spec},
    }


if __name__ == "__main__":
    yaml.safe_dump(pod(yaml.safe_load(Path(sys.argv[1]).read_text())), sys.stdout)
