"""Several processes, PostgreSQL and Valkey, in any order of steps: no read is older than a commit.

A read that starts after a commit was acknowledged gives that value or a later one. The same steps
against a cache without the protection find the race, so the check is known to be able to fail.
"""

from itertools import count

import pytest
from django.contrib.auth import get_user_model
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from profiles.models import Profile
from tests.kernel.cache import processes

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.slow,
]

ACTORS = 3
KEYS = 2
HOWS = ["save", "update", "bulk_update", "raw", "hide", "show"]
actors = st.integers(0, ACTORS - 1)
keys = st.integers(0, KEYS - 1)


def machine(server, people, owner):  # noqa: C901 -- the rules belong together
    """Return the state machine over these processes; each example has rows of its own."""
    numbers = count()

    class Reads(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.example = next(numbers)
            self.written = count()
            # What a reader may see, the newest last; each held read began at some place in it.
            self.history = {}
            self.held = []
            self.restarted = False
            self.open = {}
            for key in range(KEYS):
                Profile.objects.create(
                    owner=owner, slug=self.slug(key), display_name="x", visibility="public",
                    headline="start",
                )  # fmt: skip
                self.history[key] = ["start"]

        def slug(self, key):
            return f"row-{self.example}-{key}"

        def may_change(self, key):
            return all(key != other for other, _ in self.open.values())

        def value(self, how):
            text = f"value {next(self.written)}"
            return text, None if how == "hide" else text

        def look(self, actor, key):
            value, outcome = people[actor].tell("read", slug=self.slug(key))
            assert value == self.history[key][-1], f"stale: {outcome}"
            return outcome

        @rule(actor=actors, key=keys)
        def read(self, actor, key):
            self.look(actor, key)

        @precondition(lambda self: not self.open and not self.held)
        @rule(actor=actors, another=actors, key=keys)
        def read_after_another(self, actor, another, key):
            """While nobody is at work, what one has read is there for all."""
            self.look(actor, key)
            assert self.look(another, key) in {"HIT", "not-found"}, "nothing was kept"

        @precondition(lambda self: len(self.held) < 2)
        @rule(actor=actors, key=keys)
        def start_read(self, actor, key):
            number = people[actor].tell("start_read", slug=self.slug(key))
            self.held.append((actor, key, number, len(self.history[key]) - 1))

        @precondition(lambda self: self.held)
        @rule()
        def finish_read(self):
            actor, key, number, since = self.held.pop(0)
            value, outcome = people[actor].tell("finish_read", number=number)
            assert value in self.history[key][since:], f"stale: {outcome}"

        @rule(actor=actors, key=keys, how=st.sampled_from(HOWS))
        def change(self, actor, key, how):
            if actor in self.open or not self.may_change(key):
                return
            told, seen = self.value(how)
            people[actor].tell("change", slug=self.slug(key), how=how, value=told)
            self.history[key].append(self.shown(key, how, seen))

        def shown(self, key, how, seen):
            """What is hidden stays hidden until it is shown, whatever else changes."""
            hidden = self.history[key][-1] is None
            return None if hidden and how != "show" else seen

        @rule(actor=actors, key=keys, how=st.sampled_from(HOWS))
        def begin(self, actor, key, how):
            if actor in self.open or not self.may_change(key):
                return
            told, seen = self.value(how)
            people[actor].tell("begin")
            people[actor].tell("change", slug=self.slug(key), how=how, value=told)
            self.open[actor] = key, self.shown(key, how, seen)

        @precondition(lambda self: self.open)
        @rule(keep=st.booleans())
        def end(self, keep):
            actor, (key, seen) = self.open.popitem()
            people[actor].tell("commit" if keep else "rollback")
            if keep:
                self.history[key].append(seen)

        @rule(
            pattern=st.sampled_from(["*:version:*", "*:version:profile:*", "*:profile:row*", "*"])
        )
        def evict(self, pattern):
            server.forget(pattern)

        @rule()
        def save(self):
            server.save()

        @precondition(lambda self: not self.restarted and not self.held and not self.open)
        @rule()
        def restart(self):
            """It comes back with what was last saved, which may be old."""
            self.restarted = True
            server.restart()
            for person in people:
                person.tell("read", slug=self.slug(0))
            for person in people:
                person.settle()

        @invariant()
        def each_process_lives(self):
            assert all(person.process.poll() is None for person in people)

        def teardown(self):
            while self.open:
                people[self.open.popitem()[0]].tell("rollback")
            while self.held:
                actor, _, number, _ = self.held.pop()
                people[actor].tell("finish_read", number=number)

    return Reads


def limits(examples, steps):
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        # To make a case smaller would take longer than to find it.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture
def owner():
    return get_user_model().objects.create_user("owner")


def test_no_read_is_older_than_the_last_commit(tmp_path, owner):
    with processes.running(tmp_path, actors=ACTORS) as (server, people):
        run(machine(server, people, owner), settings=limits(25, 40))


def test_without_the_protection_the_same_steps_find_the_race(tmp_path, owner):
    with (
        processes.running(tmp_path, actors=ACTORS, protection="naive") as (server, people),
        pytest.raises(AssertionError, match="stale"),
    ):
        # Some thirty examples do as a rule; the first one that does is the last.
        run(machine(server, people, owner), settings=limits(2000, 40))


def test_a_process_killed_between_its_commit_and_its_invalidation_leaves_no_lie(tmp_path, owner):
    row = Profile.objects.create(
        owner=owner, slug="ada", display_name="Ada", visibility="public", headline="old"
    )
    with processes.running(tmp_path, actors=2) as (_, (writer, reader)):
        for _ in range(2):
            assert reader.tell("read", slug="ada")[0] == "old"
        writer.tell("begin")
        writer.tell("change", slug="ada", how="save", value="new")
        writer.tell_to_die()
        row.refresh_from_db()
        assert row.headline == "new"
        for _ in range(3):
            assert reader.tell("read", slug="ada")[0] == "new"
