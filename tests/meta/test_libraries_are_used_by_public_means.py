"""Nothing private of a library is used, and nothing in one replaced, but for what is named here."""

import ast
from pathlib import Path

import pytest
from django.conf import settings

LIBRARIES = {"prometheus_client", "opentelemetry", "redis", "kombu", "sentry_sdk", "django"}
FOLDERS = ("midst", "perfops", "taxonomy", "profiles")
VALUES = "midst/telemetry/shared/values.py"
# (file, attribute): why there is no public way.
PRIVATE = {
    ("midst/kernel/postgres/base.py", "_commit"): "Django has no hook before a COMMIT",
    ("perfops/origins/callers.py", "_execute_with_wrappers"): "a frame of Django, told by its code",
    ("midst/accounts/signals.py", "_audited"): "a mark of our own on an instance of a model",
}
# Django and Python document these, underscore or not.
DOCUMENTED = {"_meta", "_state", "_default_manager", "_base_manager", "_asdict", "_getframe"}
# What a library says is to be replaced.
REPLACED = {(VALUES, "ValueClass"): "prometheus_client's documented seam for other stores"}


def modules():
    for folder in FOLDERS:
        yield from sorted((settings.BASE_DIR / folder).rglob("*.py"))


def imported(tree):
    """Names that a module has from the libraries, and the private ones among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES:
            private = [part for part in (node.module or "").split(".") if part.startswith("_")]
            for alias in node.names:
                yield alias.asname or alias.name, alias.name.startswith("_") or bool(private)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in LIBRARIES:
                    private = any(part.startswith("_") for part in alias.name.split("."))
                    yield alias.asname or alias.name.split(".")[0], private


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def uses(path):
    """(kind, attribute) of each use that is not public."""
    tree = ast.parse(path.read_text())
    names = dict(imported(tree))
    yield from (("private", name) for name, private in names.items() if private)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and names and is_private(node.attr):
            on_self = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            if not on_self:
                yield "private", node.attr
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if (
                    isinstance(target, ast.Attribute)
                    and isinstance(target.value, ast.Name)
                    and target.value.id in names
                    and target.value.id != "settings"
                ):
                    yield "replaced", target.attr


@pytest.mark.parametrize("kind", ["private", "replaced"])
def test_libraries_are_used_by_public_means(kind):
    allowed = PRIVATE if kind == "private" else REPLACED
    found = {
        (str(path.relative_to(settings.BASE_DIR)), name)
        for path in modules()
        for each, name in uses(path)
        if each == kind
    }
    assert found - set(allowed) == set(), "Use a public way, or name it here with its reason."
    assert set(allowed) - found == set(), "No longer used: take it off the list."


def test_the_check_sees_what_is_private(tmp_path):
    module = Path(tmp_path / "module.py")
    module.write_text(
        "from opentelemetry.context import _KEY\n"
        "from opentelemetry.sdk._shared import Thing\n"
        "from redis import connection\n"
        "connection.Connection = Thing\n"
        "print(_KEY, connection.x._socket)\n"
    )
    assert set(uses(module)) == {
        ("private", "_KEY"), ("private", "Thing"), ("private", "_socket"),
        ("replaced", "Connection"),
    }  # fmt: skip
