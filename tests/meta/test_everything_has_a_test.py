"""Nothing a person can use goes without a test that names it.

Endpoints: each needs its row in ``tests/contracts/test_access.py``.
"""

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.urls import reverse

from midst.celery import app as celery

ROOT = settings.BASE_DIR
OURS = [
    config
    for config in apps.get_app_configs()
    if Path(config.path).is_relative_to(ROOT / config.name.partition(".")[0])
]
HERE = Path(__file__)
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != HERE)


def modules(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def commands() -> list[str]:
    return [name for app in OURS for name in modules(Path(app.path) / "management" / "commands")]


def tasks() -> list[str]:
    celery.loader.import_default_modules()
    return sorted(name for name in celery.tasks if not name.startswith("celery."))


def advisors() -> list[str]:
    folder = ROOT / "perfops" / "analysis" / "advisors"
    return [name for name in modules(folder) if "\ndef run(" in (folder / f"{name}.py").read_text()]


def admin_pages() -> list[str]:
    # Tests that serve pages may not have been collected yet.
    admin.autodiscover()
    ours = {app.label for app in OURS}
    return sorted(
        model._meta.label for model in admin.site._registry if model._meta.app_label in ours
    )


@pytest.mark.parametrize("name", commands())
def test_every_command_is_named_in_a_test(name):
    assert f'"{name}"' in TESTS, f"Write a test that calls `manage.py {name}`."


@pytest.mark.parametrize("name", tasks())
def test_every_task_is_called_in_a_test(name):
    function = name.rpartition(".")[2]
    assert f"{function}(" in TESTS or f'"{name}"' in TESTS, (
        f"Write a test that runs the task {name}."
    )


@pytest.mark.parametrize("name", advisors())
def test_every_advisor_is_tested(name):
    assert name in TESTS, f"Write a test for perfops/analysis/advisors/{name}.py."


@pytest.mark.parametrize("label", admin_pages())
@pytest.mark.django_db
def test_every_admin_list_opens_even_when_empty(label, admin_client):
    model = apps.get_model(label)
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    assert admin_client.get(url).status_code == 200


@pytest.mark.parametrize("kind", [commands, tasks, advisors, admin_pages])
def test_the_lists_above_are_not_empty(kind):
    assert kind(), f"{kind.__name__}() found nothing: the meta-test has lost its subject."


# They name no model: the project's file, a stored recommendation, a relation that was seen do.
TOLD_BY_DATA = {
    ROOT / "perfops" / part
    for part in (
        "load/routes.py", "load/writes.py", "indexes/migration_files.py", "origins/relations.py",
    )
}  # fmt: skip


def foreign_models() -> list[str]:
    """Calls of ``get_model`` that name another app's model: import-linter can't see those."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for app in OURS
        for path in Path(app.path).rglob("*.py")
        if "migrations" not in path.parts and path not in TOLD_BY_DATA
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get_model"
        if not is_own_or_a_library(node.args[0], app.label)
    ]


def is_own_or_a_library(label: ast.expr, own: str) -> bool:
    """A library that need not be installed has no selectors, and can't be imported either.

    Its own model an app may ask for as migrations left it.
    """
    others = {app.label for app in OURS} - {own}
    return isinstance(label, ast.Constant) and label.value not in others


def test_no_app_reaches_round_its_imports_for_a_model():
    assert foreign_models() == [], "Call the other app's selectors or services instead."
