"""What the tests of the stack leave on the machine, and how often they start a service again."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers.engine import ROOT, Engine
from tests.containers.stack import RESTARTS, NotWell, Stack

# As netavark 1.4 makes them for the networks midst-test_default and exp.
RULES = """\
*nat
:NETAVARK-HOSTPORT-DNAT - [0:0]
:NETAVARK-FDB9C7EE660DA - [0:0]
:NETAVARK-DN-FDB9C7EE660DA - [0:0]
:NETAVARK-DN-162B3D0C6AB29 - [0:0]
-A POSTROUTING -s 172.30.254.0/24 -j NETAVARK-FDB9C7EE660DA
-A NETAVARK-FDB9C7EE660DA -d 172.30.254.0/24 -j ACCEPT
-A NETAVARK-DN-FDB9C7EE660DA -d 127.0.0.1/32 -p tcp --dport 3001 -j DNAT --to 172.30.254.130:3001
-A NETAVARK-DN-162B3D0C6AB29 -d 127.0.0.1/32 -p tcp --dport 3002 -j DNAT --to 10.99.7.2:80
-A NETAVARK-HOSTPORT-DNAT -p tcp --dport 3001 -m comment --comment "dnat name: midst-test_default \
id: 7ce4" -j NETAVARK-DN-FDB9C7EE660DA
-A NETAVARK-HOSTPORT-DNAT -p tcp --dport 3002 -m comment --comment "dnat name: exp id: 95c5" \
-j NETAVARK-DN-162B3D0C6AB29
COMMIT
"""
REMOVE = (
    'iptables-restore < "$1" && "$2" -c "from tests.containers.engine import remove_rules;'
    " print(len(remove_rules('midst-test_default')))\" && iptables --table nat --list-rules"
)


@pytest.mark.containers
def test_rules_of_a_run_that_was_killed_go_and_those_of_other_networks_stay(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text(RULES)
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", REMOVE, "sh", str(rules), sys.executable],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == "4"
    assert "FDB9C7EE660DA" not in done.stdout
    assert done.stdout.count("162B3D0C6AB29") == 3


def test_a_service_that_ends_over_and_over_is_given_up_and_its_last_lines_are_told(
    tmp_path: Path,
) -> None:
    """The engine here is a program that writes down what it is asked for."""
    program, asked = tmp_path / "engine", tmp_path / "asked"
    program.write_text(f'#!/bin/sh\necho "$*" >> {asked}\n[ "$1" != logs ] || echo out of memory\n')
    program.chmod(0o755)
    stack = Stack(Engine(str(program), ()), tmp_path)
    for _ in range(RESTARTS + 3):
        stack.start_again("beat", {"Id": "b1", "Name": "beat"})
    assert asked.read_text().splitlines().count("start b1") == RESTARTS
    assert "out of memory" in stack.ended["beat"][-1]
    with pytest.raises(NotWell, match=r"ended more than 5 times: \['beat'\]"):
        stack.wait(lambda: False)
