"""The first line of the project on the stack that is no declared helper's.

A file is judged once; afterwards a frame costs a look-up by its file name, whose hash Python
keeps. A line number is worked out only for a place that is new: until then a place is its
code object and the index of the instruction.

Django sends the statements of an asynchronous view in another thread, on whose stack there is
only Django. The task that waits for it knows more: its chain of coroutines.
"""

from asyncio import Task
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import django
from django.conf import settings
from django.db.backends.utils import CursorWrapper

from perfops.conf import conf
from perfops.database.packages import is_installed
from perfops.origins.counts import NOWHERE, Site

# What a file is: of a library, of the project, or a border where the search ends. Beyond
# Django's handlers stand middlewares, beyond its commands manage.py, and beyond asgiref's
# bridge the loop that runs a coroutine: they did not ask.
# A helper (a module that ``HELPER_MODULES`` names) asks on behalf of who called it.
LIBRARY, PROJECT, BORDER, LOOP, HELPER = 0, 1, 2, 3, 4
_BORDERS = ("core/handlers/base.py", "core/handlers/exception.py", "core/management/base.py")
_SITES = 4096
_LONGEST = 300
_DEEPEST = 8

# Where Django calls execute wrappers: what lies nearer to us is one of them.
SENDS: CodeType = CursorWrapper._execute_with_wrappers.__code__  # type: ignore[attr-defined]

_files: dict[str, int] = {}
# With the code, so that its identity is not given to another.
_sites: dict[tuple[int, int], tuple[CodeType, Site]] = {}


def caller(frame: FrameType | None) -> FrameType | None:
    """Return the first frame of the project from ``frame`` on; None when there is none.

    A helper's only where nothing else of the project called it.
    """
    while frame is not None and frame.f_code is not SENDS:
        frame = frame.f_back
    files = _files
    helper: FrameType | None = None
    while frame is not None:
        name = frame.f_code.co_filename
        kind = files.get(name)
        if kind is None:
            kind = kind_of(name)
        if kind == HELPER:
            helper = helper or frame
        elif kind:
            return frame if kind == PROJECT else helper
        frame = frame.f_back
    return helper


def stack_of(frame: FrameType | None) -> str:
    """Return the frames of the project from ``frame`` on, innermost first, a line ("file:line
    function") each; a declared helper's are left out, and more than eight are not kept.
    """
    lines: list[str] = []
    while frame is not None and len(lines) < _DEEPEST:
        kind = kind_of(frame.f_code.co_filename)
        if kind == PROJECT:
            lines.append(" ".join(site_of(frame)))
        elif kind == BORDER:
            break
        frame = frame.f_back
    return "\n".join(lines)


def kind_of(name: str) -> int:
    """Return what the file ``name`` is."""
    if name not in _files:
        _files[name] = _judge(name)
    return _files[name]


def site_of(frame: FrameType | None) -> Site:
    """Return the place where ``frame`` stands."""
    if frame is None:
        return NOWHERE
    code = frame.f_code
    # By identity: the hash of a code object is that of all its instructions.
    key = (id(code), frame.f_lasti)
    found = _sites.get(key)
    if found is None:
        if len(_sites) >= _SITES:
            _sites.clear()
        found = _sites[key] = (code, _site(code, frame.f_lineno))
    return found[1]


def _site(code: CodeType, line: int) -> Site:
    return Site(place_of(code.co_filename, line), code.co_qualname[:200])


def place_of(file: str, line: int) -> str:
    """Return a line of a file of the project as sites are written."""
    path = Path(file).relative_to(_root()).as_posix()
    return f"{path}:{line}"[-_LONGEST:]


def is_of_project(place: str) -> bool:
    """Say whether ``place``, a path as sites have it, is a file of the project; helpers are."""
    path = _root() / place
    return path.is_file() and kind_of(str(path)) in {PROJECT, HELPER}


def _judge(name: str) -> int:
    """Say what the file ``name`` is. Asked once per file."""
    path = Path(name)
    if path in _borders():
        return BORDER
    if path == _bridge():
        return LOOP
    if not path.is_absolute() or not path.is_relative_to(_root()):
        return LIBRARY
    # What starts a command lies within the project, and has asked for nothing.
    if is_installed(path) or path.name == "manage.py":
        return LIBRARY
    module = ".".join(path.relative_to(_root()).with_suffix("").parts).removesuffix(".__init__")
    is_helper = any(f"{module}.".startswith(f"{name}.") for name in conf().HELPER_MODULES)
    return HELPER if is_helper else PROJECT


def source_of(site: str, *, around: int = 2) -> list[tuple[int, str]]:
    """Return the lines around ``site`` (file:line) with their numbers; none where the file is not
    readable, or not the project's.
    """
    name, _, number = site.rpartition(":")
    path = (_root() / name).resolve()
    if not number.isdecimal() or not path.is_relative_to(_root()):
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    first = max(0, int(number) - 1 - around)
    return list(enumerate(lines[first : int(number) + around], first + 1))


@lru_cache(maxsize=1)
def _borders() -> frozenset[Path]:
    return frozenset(Path(django.__path__[0]) / border for border in _BORDERS)


@lru_cache(maxsize=1)
def _bridge() -> Path:
    found = find_spec("asgiref.sync")
    return Path(found.origin if found and found.origin else "")


@lru_cache(maxsize=1)
def _root() -> Path:
    given = conf().PROJECT_ROOT or getattr(settings, "BASE_DIR", "") or Path.cwd()
    return Path(given).absolute()


def awaiting(task: "Task[object]") -> FrameType | None:
    """Return the innermost frame of the project that ``task`` is suspended in."""
    found = None
    coroutine: Any = task.get_coro()
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            kind = kind_of(frame.f_code.co_filename)
            if kind == PROJECT:
                found = frame
            elif kind == BORDER:
                found = None
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return found
