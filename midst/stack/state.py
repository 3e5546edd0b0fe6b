"""Where the embedded stack keeps its files, and what it tells the other processes.

``.midst/environment.json`` holds the variables that point Django at the embedded servers;
development's settings read it, so that any ``manage.py`` command finds the running stack.
"""

import json
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

ROOT = Path(os.environ.get("MIDST_DIR") or Path(__file__).resolve().parents[2] / ".midst")
FILE = ROOT / "environment.json"


def environment() -> dict[str, str]:
    """Return the stack's variables (``DATABASE_URL``, ``REDIS_URL``, ``SECRET_KEY`` ...).

    Empty before the first start. Raises ``ImproperlyConfigured`` when the file is not JSON.
    """
    try:
        text = FILE.read_text()
    except FileNotFoundError:
        return {}
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError) as error:
        raise ImproperlyConfigured(f"{FILE} is damaged ({error}); remove it and run `make run`.") from error


def write(variables: dict[str, str]) -> None:
    """Replace the stack's variables in one step; the file holds secrets, so only we may read it."""
    ROOT.mkdir(parents=True, exist_ok=True)
    fresh = FILE.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(variables, indent=2))
    fresh.replace(FILE)
