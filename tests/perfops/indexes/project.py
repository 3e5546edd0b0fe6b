"""A small Django project of its own: apps that name tables and columns as they like.

Run as a program inside the project: ``advise`` prints the changes for all cases as JSON,
``apply`` migrates there and back and prints what the database and ``makemigrations`` say.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

SETTINGS = """
import os
import dj_database_url
SECRET_KEY = "only-for-tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.postgres",
    "perfops", "shop", "people", "archive", "library", "notes", "attic"]
DATABASES = {
    "default": dj_database_url.parse(os.environ["FIRST_URL"]),
    "old": dj_database_url.parse(os.environ["SECOND_URL"]),
}
DATABASE_ROUTERS = ["settings.Router"]
MIGRATION_MODULES = {"perfops": None}

class Router:
    def allow_migrate(self, db, app_label, **hints):
        return (db == "old") == (app_label == "archive")
"""

# Each declares its indexes, or none, in another form.
MODELS = {
    "shop": """
class Order(models.Model):
    customer = models.ForeignKey("people.Person", models.CASCADE, db_column="cust", db_index=False)
    status = models.CharField(max_length=10, db_column="order_state")
    cancelled = models.DateTimeField(null=True)
    paid = models.BooleanField(default=False)

    class Meta:
        db_table = "shop orders"
        indexes = []
""",
    "people": """
class Person(models.Model):
    name = models.CharField(max_length=80)

class Worker(Person):
    level = models.IntegerField()
    since = models.DateField()

    def __str__(self):
        return self.name
""",
    "archive": """
class Order(models.Model):
    status = models.CharField(max_length=10)

    class Meta:
        db_table = "shop orders"
        indexes = [models.Index(fields=["status"], name="archive_status")]
""",
    "library": """
class Described(models.Model):
    title = models.CharField(max_length=80)

    class Meta:
        abstract = True
        ordering = ["title"]
        indexes = [models.Index(fields=["title"], name="%(class)s_title")]

class Book(Described):
    # Of ä and ö.
    tags = ArrayField(models.TextField())
    data = models.JSONField()
    readers = models.ManyToManyField("people.Person")
""",
    "notes": """
class Note(models.Model):
    title = models.TextField()

    class Meta:
        ordering = ["title"]
""",
    "attic": """
class Box(models.Model):
    place = models.IntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["place"], name="attic_place"),
            models.Index(fields=["-place"], name="attic_back"),
        ]
""",
}
HEAD = """from django.contrib.postgres.fields import ArrayField
from django.db import models
"""


def write(folder: Path) -> None:
    """Write the project with empty ``Meta.indexes``."""
    (folder / "settings.py").write_text(SETTINGS)
    for app, models in MODELS.items():
        (folder / app / "migrations").mkdir(parents=True)
        (folder / app / "__init__.py").touch()
        (folder / app / "migrations" / "__init__.py").touch()
        (folder / app / "models.py").write_text(HEAD + models)


def apply(folder: Path, change: dict) -> None:
    """Do what the advice says: the diff onto the model, the file into the app."""
    app = folder / change["app_label"]
    done = subprocess.run(
        ["git", "apply", "--unsafe-paths", "-"], cwd=folder, input=change["diff"], text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + change["diff"]
    (app / "migrations" / f"{change['name']}.py").write_text(change["text"])


def run(folder: Path, urls: dict[str, str], *words: str) -> str:
    """Run this file's ``words`` inside the project and return what it prints."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, __file__, *words],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": f"{folder}{os.pathsep}{root}", "PYTHONDONTWRITEBYTECODE": "1", **urls,
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _prepare() -> None:
    from django.core.management import call_command

    call_command("makemigrations", *MODELS, verbosity=0)
    for alias in ("default", "old"):
        call_command("migrate", database=alias, verbosity=0)


def _advise(cases: list[dict]) -> list[dict]:
    """Return for each case its change as data, or the reason why there is none."""
    import msgspec
    from django.apps import apps

    from perfops.indexes import model_edits
    from perfops.indexes.declaration import NotDjangos
    from perfops.indexes.migration import Project
    from perfops.indexes.records import Candidate

    project, found = Project(), []
    for case in cases:
        try:
            if "drop" in case:
                change = project.remove(case["table"], case["drop"], case["alias"])
            else:
                candidate = msgspec.convert(case["candidate"], Candidate)
                change = project.add(candidate, case["alias"])
        except NotDjangos as error:
            found.append({"why": str(error)})
        else:
            model = apps.get_model(change.app_label, change.model)
            if "drop" in case:
                edit = model_edits.undeclare(model, case["drop"])
            else:
                edit = model_edits.declare(model, "\n".join([*change.imports, change.meta]))
            found.append({**msgspec.to_builtins(change), "diff": edit.diff})
    return found


def _there_and_back(changes: list[dict]) -> dict:
    from django.core.management import call_command

    def indexes() -> dict[str, str]:
        from django.db import connections

        found = {}
        for alias in ("default", "old"):
            with connections[alias].cursor() as cursor:
                cursor.execute(
                    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname"
                    " = 'public' ORDER BY 1"
                )
                found |= {f"{alias} {name}": definition for name, definition in cursor.fetchall()}
        return found

    before = indexes()
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
    for alias in ("default", "old"):
        call_command("migrate", database=alias, verbosity=0)
    after = indexes()
    for change in changes:
        alias = "old" if change["app_label"] == "archive" else "default"
        call_command("migrate", change["app_label"], "0001", database=alias, verbosity=0)
    return {"before": before, "after": after, "reversed": indexes()}


def main(verb: str, *words: str) -> None:
    import django

    django.setup()
    if verb == "refuse":
        from django.core.management import call_command

        call_command("makemigrations", *MODELS, verbosity=0)
        sys.stdout.write(json.dumps(_advise(json.loads(words[0]))))
    elif verb == "advise":
        _prepare()
        sys.stdout.write(json.dumps(_advise(json.loads(words[0]))))
    else:
        sys.stdout.write(json.dumps(_there_and_back(json.loads(words[0]))))


if __name__ == "__main__":
    main(*sys.argv[1:])
