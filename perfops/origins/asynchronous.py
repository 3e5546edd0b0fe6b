"""The line of the project that awaits a statement.

Django sends the statements of an asynchronous view in another thread, on whose stack there is
only Django. The task that waits for it knows more: its chain of coroutines.
"""

from asyncio import Task
from types import FrameType
from typing import Any

from perfops.origins.callers import BORDER, PROJECT, kind_of


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
