"""What the generator may use, what a cache says, and which statements are the application's."""

import pytest

from perfops.analysis.collectors.records import Statement
from perfops.load import k6, server_side
from perfops.load.parser import cache_outcome


def groups(root, lines, **files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("\n".join(lines))
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def big_machine(monkeypatch):
    monkeypatch.setattr(k6.os, "sched_getaffinity", lambda _: set(range(64)))


@pytest.mark.usefixtures("big_machine")
@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        (["0::/"], {"cpu_dot_max": "200000 100000\n"}, 2),
        (["0::/"], {"cpu_dot_max": "max 100000\n"}, 64),
        (["0::/a/b"], {"a__cpu_dot_max": "50000 100000", "a__b__cpu_dot_max": "max 100000"}, 0.5),
        # A container sees its own group as the topmost.
        (["0::/docker/abc"], {"cpu_dot_max": "150000 100000"}, 1.5),
        (
            ["4:cpu:/x", "3:memory:/x"],
            {"cpu__x__cpu.cfs_quota_us": "300000", "cpu__x__cpu.cfs_period_us": "100000"},
            3,
        ),
        (["4:cpu:/x"], {"cpu__x__cpu.cfs_quota_us": "-1"}, 64),
        ([], {}, 64),
    ],
)
def test_a_container_has_the_cores_of_its_group(tmp_path, lines, files, expected):
    groups(tmp_path, lines, **files)
    assert k6.usable_cores(tmp_path) == expected


def test_a_limited_container_says_itself_what_cpu_it_used(tmp_path):
    groups(tmp_path, ["0::/"], cpu_dot_max="50000 100000")
    (tmp_path / "sys/fs/cgroup/cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    assert k6.used_cpu_s(tmp_path) == 2.5
    # The root's group of a machine without limits is left out.
    assert k6.used_cpu_s(tmp_path / "none") > 2.5


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("HIT", "HIT"),
        ("hit", "HIT"),
        ("MISS, HIT", "HIT"),
        ("HIT, MISS", "MISS"),
        ("Hit from cloudfront", "HIT"),
        ("RefreshHit from cloudfront", "HIT"),
        ("Miss from cloudfront", "MISS"),
        ("TCP_MEM_HIT from a23.deploy.akamai (-)", "HIT"),
        ("TCP_MISS from a23", "MISS"),
        ("EXPIRED", "MISS"),
        ("BYPASS", ""),
        ("DYNAMIC", ""),
        ("", ""),
    ],
)
def test_the_last_hop_says_whether_a_cache_answered(header, expected):
    assert cache_outcome(header) == expected


@pytest.mark.parametrize(
    ("text", "is_theirs"),
    [
        ('SELECT "shop_order"."id" FROM "shop_order"', True),
        ('UPDATE "shop_order" SET "paid" = $1', True),
        ("COMMIT", False),
        ("BEGIN", False),
        ("SAVEPOINT x", False),
        ("SET statement_timeout = $1", False),
        ("SELECT * FROM pg_stat_database", False),
        ("SELECT pg_database_size($1)", False),
        ('SELECT 1 FROM "perfops_sample"', False),
        ("UPDATE perfops_querytemplate SET identified_at = now()", False),
        ('SELECT "shop_perfops_id" FROM "shop_order"', True),
        ('SELECT 1 FROM "django_celery_beat_periodictask"', False),
    ],
)
def test_exporters_transactions_beat_and_perfops_are_no_queries_of_the_load(text, is_theirs):
    numbers = {name: 0 for name in Statement.__struct_fields__ if name not in {"queryid", "text"}}
    assert server_side._is_theirs(Statement(queryid="1", text=text, **numbers)) == is_theirs
