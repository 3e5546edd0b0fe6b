"""While a writer commits, the readers of a process share computations, and none is too old."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep

import pytest

from midst.kernel import cache
from midst.kernel.cache import reading, sharing, versions

KEY = "key"


@pytest.fixture
def shared():
    return sharing.SharedComputations()


def wait_until_waiting(shared, number):
    while shared.waiting(KEY) < number:
        sleep(0.001)


def test_all_who_come_while_one_computes_share_the_next_computation(shared):
    computed = []

    def first():
        computed.append("first")
        wait_until_waiting(shared, 49)
        return "first"

    def one(number):
        return shared.share(KEY, lambda: computed.append(number) or "second")

    with ThreadPoolExecutor(50) as crowd:
        leader = crowd.submit(shared.share, KEY, first)
        while not computed:
            sleep(0.001)
        others = list(crowd.map(one, range(49)))
    assert (leader.result(), set(others), len(computed)) == ("first", {"second"}, 2)
    assert shared.waiting(KEY) == 0


def test_who_comes_after_a_commit_gets_nothing_that_was_read_before_it(shared):
    database, read = ["old"], Event()

    def slow():
        found = database[0]
        read.set()
        wait_until_waiting(shared, 1)
        return found

    with ThreadPoolExecutor(2) as crowd:
        early = crowd.submit(shared.share, KEY, slow)
        read.wait()
        database[0] = "new"
        late = crowd.submit(shared.share, KEY, lambda: database[0])
    assert (early.result(), late.result()) == ("old", "new")


def test_a_failure_is_its_callers_alone(shared):
    started = Event()

    def first():
        started.set()
        wait_until_waiting(shared, 2)
        raise ZeroDivisionError

    def second():
        raise LookupError

    with ThreadPoolExecutor(3) as crowd:
        leader = crowd.submit(shared.share, KEY, first)
        started.wait()
        next_one = crowd.submit(shared.share, KEY, second)
        wait_until_waiting(shared, 1)
        joined = crowd.submit(shared.share, KEY, lambda: "own")
    assert isinstance(leader.exception(), ZeroDivisionError)
    assert isinstance(next_one.exception(), LookupError)
    assert joined.result() == "own"
    assert shared.share(KEY, lambda: "later") == "later"


def test_one_that_hangs_holds_nobody(shared, monkeypatch):
    monkeypatch.setattr(sharing, "_WAIT_S", 0.01)
    go_on, started = Event(), Event()

    def hang():
        started.set()
        go_on.wait()
        return "at last"

    with ThreadPoolExecutor(1) as other:
        hung = other.submit(shared.share, KEY, hang)
        started.wait()
        assert [shared.share(KEY, lambda: "soon") for _ in range(2)] == ["soon", "soon"]
        go_on.set()
    assert hung.result() == "at last"
    assert shared.share(KEY, lambda: "later") == "later"


@pytest.mark.usefixtures("patient")
def test_readers_of_a_pending_list_do_not_each_ask_the_database(ask):
    versions.set_pending(["a"], "a writer")
    computed = []

    def first():
        computed.append("first")
        wait_until_waiting(reading.shared_computations, 19)
        return b"body"

    def one(_):
        return ask(compute=lambda: computed.append("other") or b"body").outcome

    with ThreadPoolExecutor(20) as crowd:
        leader = crowd.submit(lambda: ask(compute=first).outcome)
        while not computed:
            sleep(0.001)
        others = [crowd.submit(one, number) for number in range(19)]
        outcomes = {leader.result(), *(each.result() for each in others)}
    assert outcomes == {cache.Outcome.MISS}
    assert len(computed) == 2
