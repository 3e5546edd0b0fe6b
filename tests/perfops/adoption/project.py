"""A plain ``startproject`` that adopts perfops: no Midst, Celery or Redis can be imported."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from tests.perfops.adoption import requirements

type Done = subprocess.CompletedProcess[str]

SETTINGS = """
import os
import urllib.parse
INSTALLED_APPS += ["django.contrib.postgres", "shop", "perfops"]
MIDDLEWARE.insert(0, "perfops.origins.middleware.origin_middleware")
_server = urllib.parse.urlsplit(os.environ["SERVER_URL"])
_shared = {
    "ENGINE": "django.db.backends.postgresql", "HOST": _server.hostname, "PORT": _server.port,
    "USER": _server.username, "PASSWORD": urllib.parse.unquote(_server.password or ""),
    "CONN_MAX_AGE": 60,
}
DATABASES = {
    "default": {**_shared, "NAME": os.environ["FIRST"]},
    "second": {**_shared, "NAME": os.environ["SECOND"]},
}
DATABASE_ROUTERS = ["shop.models.Router"]
AUTH_USER_MODEL = "shop.Person"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TIME_ZONE = "Asia/Kolkata"
PERFOPS = {
    "SCENARIO_DIR": BASE_DIR / "load", "OWN_TARGETS": os.environ.get("OWN_TARGETS", "").split(),
}
"""
URLS = """
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.views.generic import CreateView
from shop.models import Note, Order

def order(request, pk):
    return HttpResponse(Order.objects.get(pk=pk).state)

class NewNote(LoginRequiredMixin, CreateView):
    model, fields, success_url = Note, ("text",), "/"

urlpatterns += [
    path("login/", LoginView.as_view(template_name="admin/login.html")),
    path("notes/new/", NewNote.as_view(template_name="admin/login.html")),
    path("", lambda request: HttpResponse("welcome")),
    path("orders/<int:pk>/", order),
]
"""
# What its load asks for, and how much of it: enough for a p95 of each route.
ROUTES = """{"/": 3, "/orders/{pk}/": {"share": 1, "model": "shop.Order"}}"""
SCENARIOS = """{"smoke": {
    "title": "A few seconds.", "start_rate": 300, "stages": [{"seconds": 3.7, "rate": 300}],
    "max_vus": 600, "room_s": 2
}}"""
MODELS = """
from django.contrib.auth.models import AbstractUser
from django.db import models

class Person(AbstractUser):
    phone = models.CharField(max_length=30, blank=True)

class Order(models.Model):
    buyer = models.ForeignKey(Person, models.CASCADE)
    state = models.CharField(max_length=10)
    placed = models.DateTimeField()

class Note(models.Model):
    text = models.CharField(max_length=100)

class Router:
    def db_for_read(self, model, **hints):
        return "default"

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return db == "default"
"""


class Project:
    """The project in ``folder`` with the ``wheel``; ``environment`` names its databases."""

    def __init__(self, folder: Path, wheel: Path, environment: dict[str, str]) -> None:
        self.folder = folder / "project"
        self.packages = folder / "packages"
        # perfops needs no gunicorn; a project is served by something.
        requirements.link_into(self.packages, "gunicorn")
        requirements.install(wheel, self.packages)
        self.environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(self.packages), **environment,
            "DJANGO_SUPERUSER_PASSWORD": "of-the-chief",
        }  # fmt: skip
        self.folder.mkdir()
        self._python("-m", "django", "startproject", "plain", ".")
        (self.folder / "shop" / "migrations").mkdir(parents=True)
        for package in (self.folder / "shop", self.folder / "shop" / "migrations"):
            (package / "__init__.py").touch()
        (self.folder / "shop" / "models.py").write_text(MODELS)
        (self.folder / "load").mkdir()
        (self.folder / "load" / "routes.json").write_text(ROUTES)
        (self.folder / "load" / "scenarios.json").write_text(SCENARIOS)
        for name, more in (("settings", SETTINGS), ("urls", URLS)):
            with (self.folder / "plain" / f"{name}.py").open("a") as file:
                file.write(more)

    def manage(self, *words: str, codes: tuple[int, ...] = (0,)) -> Done:
        """Run ``manage.py``; it must end with one of ``codes``."""
        return self._python("manage.py", *words, codes=codes)

    @contextmanager
    def serving(self, port: int):
        """Serve on ``port`` for a while, with several processes and threads."""
        command = self._command(
            "-m", "gunicorn", "plain.wsgi", f"--bind=127.0.0.1:{port}", "--workers=2",
            "--threads=4", "--no-control-socket",
        )  # fmt: skip
        log = (self.folder / "server.log").open("w")
        with log, subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=log, stderr=log
        ) as server:  # fmt: skip
            try:
                yield server
            finally:
                server.terminate()

    def set_budgets(self, *budgets: dict[str, object]) -> Done:
        (self.folder / "budgets.json").write_text(json.dumps(budgets))
        return self.manage("set_budgets", "budgets.json")

    def log(self) -> str:
        """Return what the server has written."""
        return (self.folder / "server.log").read_text()

    def _python(self, *words: str, codes: tuple[int, ...] = (0,)) -> Done:
        done = subprocess.run(
            self._command(*words), cwd=self.folder, env=self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in codes, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    @staticmethod
    def _command(*words: str) -> list[str]:
        # -S: without the packages that are installed beside this Python.
        return [sys.executable, "-S", *words]
