"""Metrics of many processes: exact, whatever becomes of them, in few files."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client import parser as plain
from prometheus_client.openmetrics import parser as openmetrics

from midst.telemetry.shared import aggregate, segment
from tests.telemetry.processes import PATIENCE_S, environment, run, scrape, start, value

pytestmark = pytest.mark.slow
HITS = 'cache_hits_total{cache_type="masks"}'
CONNECTIONS = 'active_connections{type="redis"}'
COUNT = 'metrics.CACHE_HITS.labels("masks").inc()\n'
STAY = 'print("ready", flush=True)\nsys.stdin.readline()\n'


def files(directory):
    return sorted(path.name for path in directory.iterdir() if path.name != "lock")


def waiting(directory, code, **options):
    """A process that has done ``code`` and now waits."""
    process = start(directory, code + STAY, **options)
    assert process.stdout.readline() == "ready\n"
    return process


def end(process):
    process.communicate("\n", timeout=PATIENCE_S)


def test_counters_of_the_ended_stay_in_one_file(tmp_path):
    for _ in range(3):
        run(tmp_path, COUNT)
    assert value(scrape(tmp_path), HITS) == 3
    assert files(tmp_path) == ["archive.folded"]
    assert value(scrape(tmp_path), HITS) == 3


def test_a_process_killed_outright_keeps_its_counts_and_loses_its_gauges(tmp_path):
    process = waiting(tmp_path, COUNT + 'metrics.ACTIVE_CONNECTIONS.labels("redis").set(5)\n')
    text = scrape(tmp_path)
    assert (value(text, HITS), value(text, CONNECTIONS)) == (1, 5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    text = scrape(tmp_path)
    assert (value(text, HITS), value(text, CONNECTIONS)) == (1, None)


def test_gauges_of_the_living_add_up_or_the_highest_counts(tmp_path):
    set_both = (
        'metrics.ACTIVE_CONNECTIONS.labels("redis").set({})\nmetrics.CACHE_DEGRADED.set({})\n'
    )
    one, other = waiting(tmp_path, set_both.format(2, 1)), waiting(tmp_path, set_both.format(3, 0))
    text = scrape(tmp_path)
    end(one)
    end(other)
    assert (value(text, CONNECTIONS), value(text, "cache_degraded")) == (5, 1)


@pytest.fixture
def container():
    """The command that starts a process as number 1 of a namespace of its own, as containers do."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    command = ("unshare", *user, "--pid", "--fork", "--kill-child")
    if subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("this machine lets nobody have a PID namespace")
    return command


def test_containers_that_share_a_directory_know_each_others_living_from_the_dead(
    tmp_path, container
):
    code = 'assert os.getpid() == 1\nmetrics.ACTIVE_CONNECTIONS.labels("redis").set(2)\n' + COUNT
    one, other = (waiting(tmp_path, code, within=container) for _ in range(2))
    text = scrape(tmp_path)
    assert (value(text, HITS), value(text, CONNECTIONS)) == (2, 4)
    one.send_signal(signal.SIGKILL)
    one.communicate()
    # Nor does one container take another's living for dead.
    seen_inside = "from tests.telemetry.processes import scrape\nprint(scrape(Path(sys.argv[1])))\n"
    asked = start(tmp_path, f"sys.argv.append({str(tmp_path)!r})\n{seen_inside}", within=container)
    text, _ = asked.communicate(timeout=PATIENCE_S)
    assert (value(text, HITS), value(text, CONNECTIONS)) == (2, 2)
    end(other)
    assert value(scrape(tmp_path), CONNECTIONS) is None


def test_releases_that_describe_a_metric_differently_tell_it_once(tmp_path):
    for text in ("as it was said before", "as it is said now"):
        run(
            tmp_path,
            f"""
from prometheus_client import Counter, Histogram
Counter("asked", {text!r}, ["who"]).labels("one").inc(2)
Histogram("took", {text!r}, buckets=(1, 2)).observe(1.5)
""",
        )
    told = scrape(tmp_path)
    samples = ('asked_total{who="one"}', 'took_bucket{le="1.0"}', 'took_bucket{le="2.0"}')
    assert [value(told, sample) for sample in samples] == [4, 0, 2]
    assert (value(told, "took_count"), value(told, "took_sum")) == (2, 3)
    lines = [line.rpartition(" ")[0] for line in told.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))


def test_a_gauge_that_releases_describe_differently_is_what_its_mode_says(tmp_path):
    both = """
from prometheus_client import Gauge
Gauge("beat", {0!r}, multiprocess_mode="max").set({1})
Gauge("used", {0!r}, multiprocess_mode="livesum").set({1})
"""
    one = waiting(tmp_path, both.format("as it was said before", 3))
    other = waiting(tmp_path, both.format("as it is said now", 5))
    told = scrape(tmp_path)
    end(one)
    end(other)
    assert (value(told, "beat"), value(told, "used")) == (5, 8)


def test_when_a_process_was_last_heard_of_stays_true_after_its_end(tmp_path):
    run(tmp_path, "metrics.CELERY_BEAT_HEARTBEAT.set(5)\nmetrics.CELERY_WORKER_HEARTBEAT.set(7)\n")
    run(tmp_path, "metrics.CELERY_BEAT_HEARTBEAT.set(6)\n")
    told = scrape(tmp_path)
    assert value(told, "celery_beat_heartbeat_timestamp_seconds") == 6
    assert value(scrape(tmp_path), "celery_worker_heartbeat_timestamp_seconds") == 7


@pytest.mark.parametrize(
    "content", [b"", b"something else", b"\xff" * 5000, None], ids=["empty", "text", "noise", "cut"]
)
def test_a_file_that_is_none_of_ours_is_left_out_and_counted(tmp_path, content):
    run(tmp_path, COUNT)
    if content is None:
        (own,) = tmp_path.glob("*.cells")
        content = own.read_bytes()[:100]
    (tmp_path / "1-foreign.cells").write_bytes(content)
    (tmp_path / "2-folder.cells").mkdir()
    for _ in range(2):
        told = scrape(tmp_path)
        assert (value(told, HITS), value(told, "metrics_files_skipped")) == (1, 2)


def test_a_file_has_its_head_before_anybody_sees_it(tmp_path, monkeypatch):
    seen = []
    rename = Path.rename

    def look(path, target):
        seen.append(segment.identity_of(path.read_bytes()))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", look)
    made = segment.Segment(tmp_path)
    assert seen == [made.identity]
    assert made.path.exists()


def test_a_reader_forgets_files_that_another_reader_has_folded(tmp_path):
    process = waiting(tmp_path, COUNT)
    scrape(tmp_path)
    known = set(aggregate._layouts)
    (path,) = tmp_path.glob("*.cells")
    end(process)
    path.unlink()
    scrape(tmp_path)
    assert known - set(aggregate._layouts) == {path.name}


def test_an_archive_that_was_damaged_is_set_aside(tmp_path):
    run(tmp_path, COUNT)
    scrape(tmp_path)
    archive = tmp_path / "archive.folded"
    content = bytearray(archive.read_bytes())
    content[-3] ^= 1
    archive.write_bytes(content)
    run(tmp_path, COUNT)
    assert value(scrape(tmp_path), HITS) == 1
    assert (tmp_path / "archive.folded.damaged").exists()
    assert value(scrape(tmp_path), HITS) == 1


@pytest.mark.slow
def test_readers_that_fold_beside_each_other_never_see_a_wrong_number(tmp_path):
    """A file's inode comes again as soon as it is free: it says nothing of what is in it."""
    command = [sys.executable, "-m", "benchmarks.telemetry_readers", "--seconds", "6"]
    done = subprocess.run(
        [*command, "--folder", tmp_path], cwd=settings.BASE_DIR, env=environment(tmp_path),
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "every total was exact" in done.stdout


FULL = """
import subprocess
directory = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size={size}k", "tmpfs", directory], check=True)
# This process' numbers have their place: a child of a fork begins anew, on the small disk.
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
metrics.CACHE_HITS.labels("masks").inc()
for number in range(3000):
    metrics.CACHE_MISSES.labels(f"type-{{number}}").inc()
print(metrics.CACHE_MISSES.labels("type-2999")._value.get())
print(len(list(directory.glob("*.cells"))), len(list(directory.glob("*.new"))))
"""


@pytest.mark.parametrize(("size", "files"), [(100, 1), (20, 0)], ids=["later", "at the start"])
def test_a_disk_that_is_full_kills_nobody(tmp_path, size, files):
    """Writing to a page that the disk has no room for is SIGBUS."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    own_mounts = ("unshare", *user, "--mount")
    if subprocess.run([*own_mounts, "true"], check=False).returncode:
        pytest.skip("this machine lets nobody have mounts of its own")
    process = start(tmp_path, FULL.format(size=size), within=own_mounts)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, output) == (0, f"1.0\n{files} 0\n")


def test_folding_killed_half_way_counts_nothing_twice(tmp_path):
    for _ in range(3):
        run(tmp_path, COUNT)
    # The new archive is there, and nothing it has taken in is removed yet.
    killed = """
write = segment.write
def killed(*args):
    write(*args)
    os.kill(os.getpid(), signal.SIGKILL)
segment.write = killed
aggregate.totals(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
"""
    run(tmp_path, killed, code_of_exit=-signal.SIGKILL)
    assert len(files(tmp_path)) >= 4
    assert value(scrape(tmp_path), HITS) == 3
    assert value(scrape(tmp_path), HITS) == 3


def test_folding_killed_before_the_new_archive_loses_nothing(tmp_path):
    for _ in range(3):
        run(tmp_path, COUNT)
    killed = """
segment.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
aggregate.totals(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
"""
    run(tmp_path, killed, code_of_exit=-signal.SIGKILL)
    assert value(scrape(tmp_path), HITS) == 3


def test_children_of_a_fork_count_for_themselves_and_once(tmp_path):
    run(
        tmp_path,
        COUNT
        + """
for _ in range(4):
    if os.fork() == 0:
        metrics.CACHE_HITS.labels("masks").inc(10)
        os._exit(0)
for _ in range(4):
    os.wait()
"""
        + COUNT,
    )
    assert value(scrape(tmp_path), HITS) == 42


def test_threads_lose_no_count(tmp_path):
    run(
        tmp_path,
        """
from threading import Thread
sys.setswitchinterval(1e-6)
child = metrics.CACHE_HITS.labels("masks")
threads = [Thread(target=lambda: [child.inc() for _ in range(5000)]) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
    )
    assert value(scrape(tmp_path), HITS) == 40_000


def test_a_file_that_grows_while_it_is_read_stays_whole(tmp_path):
    code = 'for n in range(800):\n    metrics.CACHE_HITS.labels(f"type-{n}").inc(n)\n'
    process = waiting(tmp_path, code)
    text = scrape(tmp_path)
    end(process)
    assert all(value(text, f'cache_hits_total{{cache_type="type-{n}"}}') == n for n in range(800))


@pytest.mark.slow
def test_many_restarts_leave_few_files_even_if_nobody_scrapes(tmp_path):
    # A fork is as good as a start: the process ends, its file stays.
    run(
        tmp_path,
        """
for _ in range(300):
    if os.fork() == 0:
        aggregate.fold_if_many()
        metrics.CACHE_HITS.labels("masks").inc()
        os._exit(0)
    os.wait()
""",
    )
    assert len(files(tmp_path)) <= 70
    assert value(scrape(tmp_path), HITS) == 300


def test_a_directory_that_can_not_be_written_stops_nobody(tmp_path):
    assert run(tmp_path / "missing", COUNT + "print('goes on')") == "goes on\n"


@pytest.mark.parametrize("ended", [False, True], ids=["living", "ended"])
def test_exemplars_of_all_processes_are_told_in_openmetrics(tmp_path, ended):
    trace = "0af7651916cd43dd8448eb211c80319c"
    observe = f"""
metrics.HTTP_DURATION.labels("GET", "/health").observe(0.003, {{"trace_id": "{trace}"}})
metrics.HTTP_DURATION.labels("GET", "/health").observe(0.003)
"""
    if ended:
        run(tmp_path, observe)
        scrape(tmp_path)
    process = waiting(tmp_path, "" if ended else observe)
    told = scrape(tmp_path, openmetrics=True)
    end(process)
    bucket = 'http_request_duration_seconds_bucket{method="GET",route="/health",le="0.005"}'
    (line,) = (each for each in told.splitlines() if each.startswith(bucket))
    assert line.startswith(f'{bucket} 2.0 # {{trace_id="{trace}"}} 0.003 ')
    assert trace not in scrape(tmp_path)


def test_both_formats_read_as_what_was_counted(tmp_path):
    """Read by the library's own parsers, which know the rules we write by."""
    several = """
for route in ("/a", "/b"):
    metrics.HTTP_DB_SECONDS.labels(route).observe(0.1)
    metrics.DB_DURATION.labels("select", route).observe(0.1)
"""
    run(tmp_path, 'metrics.CACHE_HITS.labels("a\\n\\"b\\\\").inc(2)\n' + COUNT + several)
    families = [
        *plain.text_string_to_metric_families(scrape(tmp_path)),
        *openmetrics.text_string_to_metric_families(scrape(tmp_path, openmetrics=True) + "# EOF\n"),
    ]
    assert [
        (sample.labels["cache_type"], sample.value)
        for family in families
        if family.name == "cache_hits"
        for sample in family.samples
    ] == [('a\n"b\\', 2), ("masks", 1)] * 2
