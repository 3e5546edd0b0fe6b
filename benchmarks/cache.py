"""What the cache costs: a hit, a miss, and invalidating one profile among few keys and among many.

``python -m benchmarks.cache`` starts two Valkey servers of its own, one with 10 cached profiles
and one with 1,000,000, and asks them in turn. It ends with 1 when a hit takes more than one round
trip, or when a writer waits more than twice as long for the large server to make a profile
invalid. The server's own time is shown as well: what lies far apart in memory is slower to reach.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from time import perf_counter, thread_time
from typing import Any

import django
from redis import Redis

from midst.stack import process
from midst.stack.valkey import Valkey

SIZES = {"small": 10, "large": 1_000_000}
ROUNDS, INVALIDATIONS, READS = 21, 200, 300
# A hundred thousand times the keys; what is left of that is memory out of the processor's cache.
WORST = 2
BODY = b'{"slug":"ada"}' * 50
# So many profiles by one call; a version for each by its id and by its slug, as in real use.
PORTION = 10_000
FILL = """
for n = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  redis.call('SET', ARGV[3] .. ':profile:' .. n, ARGV[4], 'EX', 36000)
  redis.call('SET', ARGV[3] .. ':version:profile:' .. n, ARGV[5], 'EX', 36000)
  redis.call('SET', ARGV[3] .. ':version:profile:p-' .. n, ARGV[5], 'EX', 36000)
end
"""


class Server:
    """A Valkey of ours; ``chosen`` makes the cache speak to it."""

    def __init__(self, name: str, folder: Path) -> None:
        from midst.kernel import redis

        self.child, url = Valkey(folder / name, folder / f"{name}.log").start(death=signal.SIGKILL)
        self.client: Any = Redis.from_url(url, socket_timeout=30, redis_connect_func=redis.connect)
        self.profiles = SIZES[name]
        with self.chosen():
            self._fill()

    @contextmanager
    def chosen(self) -> Iterator[None]:
        from midst.kernel import redis

        if redis.client is not self._get:
            redis._run_id, redis.client = None, self._get
            self.client.connection_pool.disconnect()
        yield

    def _get(self) -> Any:
        return self.client

    def _fill(self) -> None:
        from midst.kernel.cache import versions

        self.client.config_set("maxmemory", "2gb")
        for start in range(0, self.profiles, PORTION):
            end = min(start + PORTION, self.profiles)
            self.client.eval(
                FILL, 0, start, end, versions.key_prefix(), BODY[:200], versions.new_token()
            )

    def numbers(self) -> dict[str, tuple[int, int]]:
        """Return ``{command: (calls, microseconds)}`` since the server began, and all reads."""
        stats = self.client.info("commandstats")
        found = {
            name.removeprefix("cmdstat_"): (numbers["calls"], numbers["usec"])
            for name, numbers in stats.items()
        }
        return {**found, "reads": (self.client.info("stats")["total_reads_processed"], 0)}


def invalidate_one(random: Random, among: int) -> None:
    """Invalidate what a change of a profile does: its addresses, its owner's lists, all lists."""
    from midst.kernel import cache
    from profiles.cache import LISTS, profile_group, user_group

    number = random.randrange(among)
    cache.invalidate(
        [LISTS, profile_group(str(number)), profile_group(f"p-{number}"), user_group(1)]
    )


def compare_invalidations(servers: dict[str, Server]) -> float:
    """Print and return how much longer a writer waits among many keys, as a ratio."""
    random = Random(1)  # noqa: S311 -- it draws keys
    waited: dict[str, list[float]] = {name: [] for name in servers}
    worked: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(ROUNDS):
        for name in sorted(servers, reverse=turn % 2 == 1):
            server = servers[name]
            with server.chosen():
                invalidate_one(random, server.profiles)
                calls, spent = server.numbers()["evalsha"]
                times = []
                for _ in range(INVALIDATIONS):
                    start = perf_counter()
                    invalidate_one(random, server.profiles)
                    times.append((perf_counter() - start) * 1e6)
                calls_after, spent_after = server.numbers()["evalsha"]
            waited[name].append(statistics.median(times))
            worked[name].append((spent_after - spent) / (calls_after - calls))
    print(f"invalidating a profile, medians of {ROUNDS} rounds (us):")
    for what, taken in (("waited for", waited), ("server's own time", worked)):
        small, large = (statistics.median(taken[name]) for name in ("small", "large"))
        print(f"  {what:<18} small {small:8.1f}  large {large:8.1f}  ratio {large / small:5.2f}")
    return statistics.median(waited["large"]) / statistics.median(waited["small"])


def reading(server: Server) -> dict[str, Callable[[], object]]:
    from midst.kernel.cache import read, versions
    from profiles.cache import PROFILES, profile_group

    fresh = count()

    def ask(key: str) -> object:
        groups = (profile_group("1"), profile_group("p-1"))
        return read(PROFILES, key, groups=groups, compute=lambda: BODY)

    keys = [versions.entry_key("bare")] + [
        versions.version_key(group)
        for group in (versions.ALL, PROFILES.group, profile_group("1"), profile_group("p-1"))
    ]
    server.client.set(keys[0], BODY)
    ask("profile:hit")
    return {
        "bare MGET": lambda: server.client.mget(keys),
        "hit": lambda: ask("profile:hit"),
        "miss": lambda: ask(f"profile:miss{next(fresh)}"),
    }


def compare_reads(server: Server) -> float:
    """Print what reads cost; return the round trips of a hit."""
    asks = reading(server)
    cost: dict[str, list[float]] = {name: [] for name in asks}
    for turn in range(ROUNDS):
        for name in sorted(asks, reverse=turn % 2 == 1):
            start = thread_time()
            for _ in range(READS):
                asks[name]()
            cost[name].append((thread_time() - start) / READS * 1e6)
    bare = statistics.median(cost["bare MGET"])
    print(f"reading, CPU time of the client, medians of {ROUNDS} rounds (us):")
    for name, values in cost.items():
        middle = statistics.median(values)
        print(f"  {name:<18} {middle:8.1f}  {middle / bare:5.2f} times a bare MGET")
    print("round trips and commands of one:")
    trips = {name: _trips(server, name, ask) for name, ask in asks.items()}
    _trips(server, "invalidate", lambda: invalidate_one(Random(1), 10))  # noqa: S311
    return trips["hit"]


def _trips(server: Server, name: str, ask: Callable[[], object]) -> float:
    from midst.kernel.cache import versions

    # The beat, once a second, is left out: it rides on a look-up's round trip.
    versions._written_at = float("inf")
    before = server.numbers()
    for _ in range(READS):
        ask()
    after = server.numbers()
    # Between the two counts lie the two questions of one.
    trips = (after["reads"][0] - before["reads"][0] - 2) / READS
    called = {
        command: (calls - before.get(command, (0, 0))[0]) / READS
        for command, (calls, _) in after.items()
        if command not in {"reads", "info"}
    }
    listed = ", ".join(f"{each:.2f} {command}" for command, each in called.items() if each)
    print(f"  {name:<18} {trips:5.2f}  ({listed})")
    return trips


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "midst.settings.test"
    django.setup()
    with tempfile.TemporaryDirectory(prefix="midst-benchmark-") as folder:
        servers = {}
        try:
            for name in SIZES:
                servers[name] = Server(name, Path(folder))
            ratio = compare_invalidations(servers)
            with servers["small"].chosen():
                trips = compare_reads(servers["small"])
        finally:
            for server in servers.values():
                server.client.close()
                process.stop(server.child)
    if trips > 1.01 or ratio > WORST:
        print("A hit must be one round trip, and an invalidation cost the same among many keys.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
