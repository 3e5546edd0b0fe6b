"""Does a search cost among 1,000,000 profiles what it costs among 10,000?

``python -m benchmarks.search`` fills a database of each size by SQL (profiles and skills alone),
asks for words of several frequencies in turn, uncached, and ends with 1 when the p95 of any is
above 100 ms.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from random import Random

import django
import psycopg

from benchmarks import databases
from profiles import samples

BATCH = 50_000
WORST_MS = 100
# What is asked, by what it stands for; {n} is drawn.
ASKED: dict[str, Callable[[Random, int], str]] = {
    "rare word (50 have it)": lambda random, size: f"tool{random.randrange(size // 50)}",
    "first and last name": lambda random, _: (
        f"{random.choice(samples.FIRST_NAMES)} {random.choice(samples.LAST_NAMES)}"
    ),
    "first name (1.4%)": lambda random, _: random.choice(samples.FIRST_NAMES),
    "middling word (7%)": lambda random, _: random.choice(["robotics", "logistics", "retail"]),
    "frequent word (60%)": lambda random, _: random.choice(["Engineer", "engineer"]),
    "two frequent, together": lambda random, _: random.choice(["Senior Engineer", "data senior"]),
    "two frequent, never together": lambda random, _: random.choice(
        ["junior principal", "designer engineer"]
    ),
    "no such word": lambda random, _: f"nothing{random.random()}",
}
PROFILES = """
INSERT INTO profiles_profile (id, owner_id, slug, display_name, title, headline, summary, location,
    email, phone, website, avatar_url, languages, interests, visibility, is_active, created_at,
    updated_at)
SELECT uuidv7(n * interval '1 s' - interval '3 years'), %(owner)s, 'p-' || n,
    first[1 + floor(random() * array_length(first, 1))] || ' '
        || last[1 + floor(random() * array_length(last, 1))],
    level[1 + floor(random() * array_length(level, 1))] || ' '
        || role[1 + floor(random() * array_length(role, 1))],
    role[1 + floor(random() * array_length(role, 1))] || ' in '
        || field[1 + floor(random() * array_length(field, 1))],
    repeat('x', 200), '', '', '', '', '', '{}', '{}',
    CASE WHEN random() < .85 THEN 'public' ELSE 'private' END, random() < .98,
    now() - n * interval '1 s', now()
FROM generate_series(%(start)s::int, %(stop)s::int) n,
    (SELECT %(first)s::text[] AS first, %(last)s::text[] AS last, %(level)s::text[] AS level,
        %(role)s::text[] AS role, %(field)s::text[] AS field) words
"""
SKILLS = """
INSERT INTO profiles_skill (id, profile_id, position, tags, name, category, level, created_at,
    updated_at)
SELECT uuidv7(), profile.id, n, '{}', CASE n WHEN 0 THEN 'tool' || floor(random() * %(tools)s)
        ELSE words[1 + floor(random() * array_length(words, 1))] END,
    '', 3, now(), now()
FROM profiles_profile profile, generate_series(0, 2) n, (SELECT %(skills)s::text[] AS words) w
WHERE slug = ANY(SELECT 'p-' || s FROM generate_series(%(start)s::int, %(stop)s::int) s)
"""
WORDS = {
    "first": list(samples.FIRST_NAMES), "last": list(samples.LAST_NAMES),
    "level": list(samples.LEVELS), "role": list(samples.ROLES), "field": list(samples.FIELDS),
    "skills": list(samples.INTERESTS),
}  # fmt: skip


def filled(server: str, size: int) -> str:
    """Return the URL of a database with so many profiles; made when it is not there."""
    url = databases.make(server, f"search_{size}")
    databases.manage(url, "migrate", "--verbosity=0")
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT count(*) FROM profiles_profile").fetchone()
        if found and found[0] == size:
            return url
        connection.execute("TRUNCATE auth_user, profiles_profile, profiles_profilesearch CASCADE")
        owner = connection.execute(
            "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, "
            "email, is_staff, is_active, date_joined) "
            "VALUES ('!', false, 'owner', '', '', '', false, true, now()) RETURNING id"
        ).fetchone()
        start = time.perf_counter()
        # The checks of foreign keys, and the triggers: each batch is read once, at its end.
        connection.execute("SET session_replication_role = replica")
        for first in range(1, size + 1, BATCH):
            given = {
                **WORDS, "owner": owner and owner[0], "tools": size // 50,
                "start": first, "stop": min(first + BATCH - 1, size),
            }  # fmt: skip
            connection.execute(PROFILES, given)
            connection.execute(SKILLS, given)
            connection.execute(
                "SELECT profiles_search_refresh(array_agg(id)) FROM profiles_profile WHERE slug = "
                "ANY(SELECT 'p-' || s FROM generate_series(%(start)s::int, %(stop)s::int) s)",
                given,
            )
        connection.execute("VACUUM (ANALYZE) profiles_profile, profiles_profilesearch")
        print(f"{size:,} profiles in {time.perf_counter() - start:.0f} s", flush=True)
    return url


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--times", type=int, default=100)
    options = parser.parse_args()
    with databases.server() as server:
        urls = {size: filled(server, size) for size in options.sizes}
        os.environ.update(databases.environment(next(iter(urls.values()))))
        django.setup()
        # Models want Django to be set up.
        from benchmarks.asking import enter, opened
        from midst.kernel import pagination
        from profiles.selectors import search

        sides = {size: opened(url) for size, url in urls.items()}
        heads = "".join(f"{size:>11,} {'p95':>7}" for size in sides)
        print(f"{'median and p95 in ms, among':<32}{heads}")
        slow = False
        for name, words in ASKED.items():
            random = Random(name)  # noqa: S311 -- it draws words
            took: dict[int, list[float]] = {size: [] for size in sides}
            for turn in range(options.times + 10):
                for size, connection in sides.items():
                    enter(connection)
                    start = time.perf_counter()
                    matching = search.matching(search.plain(words(random, size)), "id", "summary")
                    pagination.page(matching, limit=20, cursor="", order=search.BY_RANK)
                    if turn >= 10:
                        took[size].append((time.perf_counter() - start) * 1000)
            shown = ""
            for each in took.values():
                p95 = statistics.quantiles(each, n=20)[-1]
                slow = slow or p95 > WORST_MS
                shown += f"{statistics.median(each):>11.2f} {p95:>7.2f}"
            print(f"{name:<32}{shown}", flush=True)
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
