"""infra/backup/restore-to while clients read and write through the proxy."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.containers.load import Load, operate
from tests.containers.stack import Stack

pytestmark = pytest.mark.containers


def test_the_moment_before_an_accident_comes_back_and_what_is_lost_was_written_later(
    stack: Stack,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    postgres = ("exec", "--env", "PGHOST=/var/run/postgresql", stack.name("postgres"))
    psql = (*postgres, "psql", "--username", "postgres", "--dbname", "midst", "-Atc")
    with Load(stack, tmp_path, seconds=1200, reads=5) as load:
        before = load.more()
        moment = stack.engine.run(*psql, "SELECT clock_timestamp()").strip()
        at = time.time()
        load.more()
        # The accident.
        stack.engine.run(*psql, "DELETE FROM profiles_experience")
        load.more()
        began = time.time()
        operate(stack, "backup/restore-to", moment)
        restored = time.time()
        stack.wait(lambda: not stack.unwell())
        load.more()
    kept, acknowledged, felt = load.kept(), load.acknowledged(), load.felt()
    record_property("felt", json.dumps(asdict(felt)))
    lost = sorted(int(name.split()[1]) / 1000 for name in acknowledged - kept)
    with capsys.disabled():
        print(  # noqa: T201
            f"\nto a moment {began - at:.1f} s before the command, which took"
            f" {restored - began:.1f} s: {len(before)} rows acknowledged before the moment,"
            f" {len(before - kept)} of them lost; {len(lost)} rows of later lost; {felt}"
        )
    assert before <= kept
    assert lost, "what was written after the moment stays in the backups"
    assert max(lost) < restored, "the database that came back keeps what it acknowledged"
    assert felt.stale == 0
