"""Where a person reads, and where a program does: reports on stdout, progress on stderr."""

import json
import sys
from typing import Any

from rich.console import Console

COLOURS = {
    "pass": "green", "met": "green", "warn": "yellow", "near": "yellow", "warning": "yellow",
    "fail": "red", "violated": "red", "error": "red", "invalid": "magenta", "info": "cyan",
}  # fmt: skip
FINE, NOT_FINE, COULD_NOT_TELL = 0, 1, 2


def out() -> Console:
    """Return the console for the report."""
    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """Return the console for progress and errors."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def coloured(text: str, kind: str) -> str:
    """Return rich markup of ``text`` in the colour of ``kind``."""
    colour = COLOURS.get(kind, "dim")
    return f"[{colour}]{text}[/{colour}]"


def print_json(data: Any) -> None:
    """Write ``data`` on stdout, and nothing else."""
    json.dump(data, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")
