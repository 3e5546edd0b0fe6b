"""Things wait a moment for others, and none is lost, doubled or late."""

import os
import subprocess
import sys
from itertools import chain
from threading import Event, Thread

import pytest
from django.conf import settings

from midst.telemetry import log_batcher
from midst.telemetry.log_batcher import LogBatcher
from tests.telemetry.conftest import wait_for


@pytest.fixture
def left():
    return []


@pytest.fixture
def things(left):
    return LogBatcher(left.append)


@pytest.fixture
def _no_moment_ends(monkeypatch):
    monkeypatch.setattr(log_batcher, "WAIT_S", 3600)
    monkeypatch.setattr(log_batcher, "monotonic", lambda: 1.0)


def test_the_first_after_a_pause_leaves_at_once(things, left):
    things.add(1)
    assert left == [[1]]


@pytest.mark.usefixtures("_no_moment_ends")
def test_those_that_follow_leave_by_the_dozen(things, left):
    for number in range(25):
        things.add(number)
    assert left == [list(range(12)), list(range(12, 24))]
    things.flush()
    assert left[2:] == [[24]]


@pytest.mark.usefixtures("_no_moment_ends")
def test_one_that_is_urgent_takes_the_others_along_in_their_order(things, left):
    things.add(1)
    things.add(2, at_once=True)
    assert left == [[1, 2]]


def test_none_waits_for_another_to_come(things, left):
    things.add(1)
    things.add(2)
    wait_for(lambda: left == [[1], [2]], "the second to leave by itself")
    things.add(3)
    things.add(4)
    wait_for(lambda: [*chain(*left)] == [1, 2, 3, 4], "the thread to serve again")


def test_threads_lose_none_and_double_none(things, left):
    begin = Event()

    def work(first):
        begin.wait()
        for number in range(first, first + 500):
            things.add(number)

    threads = [Thread(target=work, args=(1000 * each,)) for each in range(4)]
    for each in threads:
        each.start()
    begin.set()
    for each in threads:
        each.join()
    things.flush()
    gone = [*chain(*left)]
    assert sorted(gone) == [1000 * each + number for each in range(4) for number in range(500)]
    assert [each for each in gone if each < 1000] == list(range(500))


FORKS = """
import os, sys
from midst.telemetry import log_batcher
log_batcher.WAIT_S = 3600
things = log_batcher.LogBatcher(lambda all: os.write(1, f"{all} ".encode()))
log_batcher.monotonic = lambda: 1.0
things.add("parent")
child = os.fork()
if child:
    os.waitpid(child, 0)
else:
    things.add("child")
sys.exit()
"""


def test_a_child_has_its_own_and_an_exit_lets_go():
    done = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "PYTHONPATH": str(settings.BASE_DIR)},
    )  # fmt: skip
    assert done.stdout == "['child'] ['parent'] "
