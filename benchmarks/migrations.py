"""How long do migrations keep a table in use from its users, with 1,000,000 profiles in it?

``python -m benchmarks.migrations`` copies the seeded database, takes the copy back to the first
migration of ``profiles``, with rows in every table, and forwards again, while a sampler looks at
the locks. It ends with 1 when one that keeps out writers was held for longer than a second.
"""

import argparse
import sys
import threading
import time
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from benchmarks import databases

LONGEST_S = 1.0
PERIOD_S = 0.01
_TABLES = """
SELECT oid, relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
_HELD = """
SELECT l.relation, l.mode, l.virtualtransaction
FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = current_database() AND l.granted AND l.pid <> pg_backend_pid() AND l.mode IN
    ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""
Key = tuple[int, str, str]


@dataclass
class Sampler:
    """Looks every 10 ms which locks keep writers out, and how long each was there (s).

    The reported time is never too short: from the look before its first to the one after its last.
    """

    url: str
    held_s: dict[Key, float] = field(default_factory=dict)
    looks: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Sampler":
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        since: dict[Key, float] = {}
        with psycopg.connect(self.url, autocommit=True) as connection:
            before = time.monotonic()
            while not self._stop.wait(PERIOD_S):
                held = set(connection.execute(_HELD).fetchall())
                now = time.monotonic()
                since |= dict.fromkeys(held - since.keys(), before)
                for key, start in since.items():
                    self.held_s[key] = now - start
                since = {key: since[key] for key in since.keys() & held}
                before = now
                self.looks += 1


def tables(url: str) -> dict[int, str]:
    with psycopg.connect(url) as connection:
        return dict(connection.execute(_TABLES).fetchall())


def migrate(url: str, *target: str) -> bool:
    """Migrate; print what was held of tables that were there before and still are."""
    before = tables(url)
    start = time.monotonic()
    with Sampler(url) as sampler:
        databases.manage(url, "migrate", "--verbosity=0", *target)
    took_s = time.monotonic() - start
    stay = before.keys() & tables(url).keys()
    held = sorted(
        ((held_s, before[key[0]], key[1]) for key, held_s in sampler.held_s.items()
         if key[0] in stay),
        reverse=True,
    )  # fmt: skip
    print(f"migrate {' '.join(target) or 'forwards'}: {took_s:.1f} s, {sampler.looks} looks")
    for held_s, table, mode in held[:8]:
        print(f"  {held_s * 1000:7.0f} ms  {table:<32} {mode}")
    return all(held_s <= LONGEST_S for held_s, *_ in held)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=1_000_000)
    options = parser.parse_args()
    with databases.server() as server:
        seeded = databases.seeded(server, options.profiles)
        databases.drop(server, "migrated")
        with psycopg.connect(server, autocommit=True) as connection:
            name = sql.Identifier(seeded.rpartition("/")[2])
            copy = sql.SQL("CREATE DATABASE migrated TEMPLATE {} STRATEGY file_copy")
            connection.execute(copy.format(name))
        url = databases.make(server, "migrated")
        good = [migrate(url, "profiles", "0001"), migrate(url)]
        databases.drop(server, "migrated")
    print("No lock was held for longer than a second." if all(good) else "Too long.")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
