"""Tests run beside each other, with one Redis for all: what one empties, another misses."""

import re
from pathlib import Path

from django.conf import settings

EMPTIES_ALL = re.compile(r"\bcache\.clear\(\)|\.flushdb\b|\.flushall\b")
# These have a server of their own.
OWN_SERVER = {
    "kernel/cache/test_faults.py", "monitoring/test_live_stack.py",
    "operations/test_cache_overview.py", "operations/test_cache_page.py",
}  # fmt: skip


def test_only_tests_with_a_server_of_their_own_empty_it():
    tests = Path(settings.BASE_DIR) / "tests"
    emptying = {
        str(path.relative_to(tests))
        for path in tests.rglob("*.py")
        if path != Path(__file__) and EMPTIES_ALL.search(path.read_text())
    }
    assert emptying == OWN_SERVER
