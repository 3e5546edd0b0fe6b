"""How many instructions Python executes for one request, by function (``sys.monitoring``).

The same code over the same rows executes the same bytecode, however busy the machine is, so that a
serialiser that does a tenth more is seen without a clock. What is not the request's (a buffer of a
logger that is full, a set in another order) was 3% of one request in five, and 0.3% of the least of
three, measured on the six routes of Midst: hence the tolerance of 2% and 500. What C code
does within one instruction is not seen; ``--against`` is for that. Counts depend on Python's
version, and are compared on the same one alone.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import enumerate as threads
from threading import get_ident
from types import CodeType
from typing import Any

from perfops.origins.callers import HELPER, PROJECT, is_of_project, kind_of, place_of

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
# Functions with less than this share of a request's instructions are not named.
SHARE = 0.004
_NAME = "perfops"
# 0 to 5; debuggers, coverage and profilers have theirs.
_IDS = (3, 4)
_MODULES = 3


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Yield what is filled in at the end: instructions by "file function" of the project, or of
    libraries.

    Threads that were there before do not count. Empty where others monitor with all ids.
    """
    by_code: Counter[CodeType] = Counter()
    found: Counter[str] = Counter()
    others = {each.ident for each in threads()} - {get_ident()}
    monitoring = sys.monitoring

    def count(code: CodeType, offset: int) -> Any:
        if get_ident() not in others:
            by_code[code] += 1

    tool = next((each for each in _IDS if monitoring.get_tool(each) is None), None)
    if tool is None:
        yield found
        return
    monitoring.use_tool_id(tool, _NAME)
    event = monitoring.events.INSTRUCTION
    monitoring.register_callback(tool, event, count)
    try:
        monitoring.set_events(tool, event)
        yield found
    finally:
        monitoring.set_events(tool, 0)
        monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)
    for code, times in by_code.items():
        found[name_of(code)] += times


def of_project(names: Iterable[str]) -> set[str]:
    """Return the project's files among the ``names`` of functions."""
    files = (name.partition(" ")[0] for name in names)
    return {file for file in files if is_of_project(file)}


def name_of(code: CodeType) -> str:
    """Return "file function" as it stays when lines move; of a library the end of its path."""
    file = code.co_filename
    if kind_of(file) in {PROJECT, HELPER}:
        place = place_of(file, 0).rpartition(":")[0]
    else:
        place = "/".join(file.replace("\\", "/").split("/")[-_MODULES:])
    return f"{place} {code.co_qualname}"
