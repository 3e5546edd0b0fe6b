"""Operators' commands while clients read and write through the proxy."""

import os
import time
from pathlib import Path

import pytest

from tests.containers.load import Load, operate
from tests.containers.stack import IMAGE, Stack

pytestmark = pytest.mark.containers
# An older image goes here, where there is one; else it is the same under another name.
BEFORE = os.environ.get("UPGRADE_FROM", "")
WRITES = 20


def more(stack: Stack, load: Load) -> set[str]:
    """Return all that was acknowledged, once there is more of it."""
    enough = len(load.acknowledged()) + WRITES
    stack.wait(lambda: len(load.acknowledged()) >= enough, seconds=120)
    return load.acknowledged()


def test_back_to_another_image_and_forth_without_a_failed_request(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = f"{IMAGE}-before"
    stack.engine.run("tag", BEFORE or IMAGE, other)
    with Load(stack, tmp_path, seconds=1200, reads=5) as load:
        for image in (other, IMAGE):
            more(stack, load)
            operate(stack, "upgrade", image)
        more(stack, load)
    felt = load.felt()
    with capsys.disabled():
        print(f"\n{BEFORE or 'the same image'}: {felt}")  # noqa: T201
    assert (felt.failed, felt.refused, felt.lost, felt.stale) == (0, 0, 0, 0), felt.bad
    assert felt.written > 3 * WRITES
    runs = {service: each["Config"]["Image"] for service, each in stack.engine.containers().items()}
    assert {runs[service].rpartition("/")[2] for service in ("web", "worker", "beat")} == {IMAGE}


def test_the_moment_before_an_accident_comes_back_and_what_is_lost_was_written_later(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    postgres = ("exec", "--env", "PGHOST=/var/run/postgresql", stack.name("postgres"))
    psql = (*postgres, "psql", "--username", "postgres", "--dbname", "midst", "-Atc")
    with Load(stack, tmp_path, seconds=1200, reads=5) as load:
        before = more(stack, load)
        moment = stack.engine.run(*psql, "SELECT clock_timestamp()").strip()
        at = time.time()
        more(stack, load)
        # The accident.
        stack.engine.run(*psql, "DELETE FROM profiles_experience")
        more(stack, load)
        began = time.time()
        operate(stack, "backup/restore-to", moment)
        restored = time.time()
        stack.wait(lambda: not stack.unwell())
        more(stack, load)
    kept, acknowledged, felt = load.kept(), load.acknowledged(), load.felt()
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
