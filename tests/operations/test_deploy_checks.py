"""``manage.py check --deploy`` has nothing to say under the settings of production."""

import os
import secrets
import subprocess
import sys

from django.conf import settings

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "midst.settings.prod",
    "DATABASE_URL": "postgres://midst:x@127.0.0.1:1/midst",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "ALLOWED_HOSTS": "midst.example",
}


def test_it_finds_nothing():
    keys = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "TOKEN_SIGNING_KEY")}
    found = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=settings.BASE_DIR, env={**os.environ, **PRODUCTION, **keys}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "no issues" in found.stdout
