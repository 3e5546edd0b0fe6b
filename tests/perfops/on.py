"""Run a command with DATABASE_URL naming a new server: python -m tests.perfops.on 15 COMMAND."""

import os
import subprocess
import sys

from midst.stack import ports
from tests.perfops.clusters import USER, cluster

# What a crash would lose is thrown away anyway.
FAST = {"synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


def main(version, *command):
    with cluster(version, **FAST) as server:
        url = f"postgres://{USER}@{ports.HOST}:{server.port}/postgres"
        environment = {**os.environ, "DATABASE_URL": url}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
