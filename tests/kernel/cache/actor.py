"""A process of the application that does what a test tells it, step by step.

Reads lines of JSON, writes one for each: ``python -m tests.kernel.cache.actor DATABASE [naive]``.
Reads run in threads of their own, as requests do, and can be held between their query and their
end. ``naive``: without the protection, as most caches do it: delete on commit, store after a miss.
"""

import json
import os
import sys
from itertools import count
from threading import Event, Thread, local

PATIENCE_S = 60
# Which read this thread makes.
current = local()


def main(database, protection):
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    quickly()
    if protection == "naive":
        take_the_protection_out()
    actor = Actor()
    for line in sys.stdin:
        words = json.loads(line)
        answer = getattr(actor, words.pop("do"))(**words)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


class Held:
    """A read that stands between its query and its end."""

    def __init__(self, slug, *, hold):
        self.asked, self.go = Event(), Event()
        if not hold:
            self.go.set()
        self.value = None
        self.thread = Thread(target=self.run, args=[slug])
        self.thread.start()

    def run(self, slug):
        from django.contrib.auth.models import AnonymousUser
        from django.db import connection

        from midst.kernel.problems import Problem
        from profiles.selectors import profiles

        current.held = self
        try:
            answer = profiles.detail(slug, user=AnonymousUser())[0]
            self.value = [json.loads(answer.body)["headline"], answer.outcome.value]
        except Problem as problem:
            self.value = [None, problem.kind.name]
        finally:
            self.asked.set()
            connection.close()

    def end(self):
        self.go.set()
        self.thread.join(PATIENCE_S)
        return self.value


class Actor:
    def __init__(self):
        self.reads = {}
        self.numbers = count()
        self.atomic = None
        hold_after_the_query()

    def read(self, slug):
        return Held(slug, hold=False).end()

    def start_read(self, slug):
        held = Held(slug, hold=True)
        number = next(self.numbers)
        self.reads[number] = held
        # Or it was a hit and is over.
        held.asked.wait(PATIENCE_S)
        return number

    def finish_read(self, number):
        return self.reads.pop(number).end()

    def change(self, slug, how, value):
        CHANGES[how](slug, value)

    def begin(self):
        from django.db import transaction

        self.atomic = transaction.atomic()
        self.atomic.__enter__()

    def commit(self):
        self.atomic.__exit__(None, None, None)

    def rollback(self):
        from django.db import transaction

        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def commit_and_die(self):
        """PostgreSQL has committed, and nobody can say so any more."""
        from midst.kernel.cache import invalidation

        invalidation._invalidate = lambda *_: os._exit(9)
        self.commit()

    def degraded(self):
        from midst.kernel.cache import circuit

        return circuit.is_open()


def quickly():
    """A test can't wait as long for a lock or a recovery as a request would."""
    from midst.kernel.cache import reading

    reading._WAIT_S = 0.02
    sys.modules["midst.kernel.cache.circuit"].PROBE_INTERVAL_S = 0.02
    sys.modules["midst.kernel.cache.circuit"].SETTLE_S = 0.05


def hold_after_the_query():
    from profiles.selectors import profiles

    row = profiles._row

    def row_then_wait(*arguments):
        try:
            return row(*arguments)
        finally:
            held = getattr(current, "held", None)
            if held is not None:
                held.asked.set()
                held.go.wait(PATIENCE_S)

    profiles._row = row_then_wait


def find(slug):
    from profiles.models import Profile

    return Profile.objects.get(slug=slug)


def save(slug, value):
    profile = find(slug)
    profile.headline = value
    profile.save()


def update(slug, value):
    from profiles.models import Profile

    Profile.objects.filter(slug=slug).update(headline=value)


def bulk_update(slug, value):
    from profiles.models import Profile

    profile = find(slug)
    profile.headline = value
    Profile.objects.bulk_update([profile], ["headline"])


def raw(slug, value):
    from django.db import connection

    from midst.kernel import cache

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE profiles_profile SET headline = %s WHERE slug = %s RETURNING id", [value, slug]
        )
        (key,) = cursor.fetchone()
    cache.invalidate_on_commit(f"profile:{slug}", f"profile:{key}")


def hide(slug, value):
    """The value that nobody may see: a 404."""
    profile = find(slug)
    profile.headline, profile.visibility = value, "private"
    profile.save()


def show(slug, value):
    profile = find(slug)
    profile.headline, profile.visibility = value, "public"
    profile.save()


CHANGES = {
    "save": save,
    "update": update,
    "bulk_update": bulk_update,
    "raw": raw,
    "hide": hide,
    "show": show,
}


def take_the_protection_out():
    from midst.kernel.cache import versions
    from midst.kernel.cache.versions import Lookup

    def look_up(key, groups):
        found = versions.redis.client().get(versions.entry_key(key))
        return Lookup(found and versions.entries.unpack(key, b"", found), b"")

    def invalidate(groups, token):
        for group in groups:
            versions.redis.client().delete(versions.entry_key(group))

    versions.look_up, versions.invalidate = look_up, invalidate
    versions.lock_and_look_up = lambda key, groups, _: (True, look_up(key, groups))
    versions.set_pending = versions.unlock = lambda *_: None
    versions.lock = lambda *_: True


if __name__ == "__main__":
    main(*sys.argv[1:])
