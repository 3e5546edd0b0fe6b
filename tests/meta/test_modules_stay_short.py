"""A reader finds the room by its name, and it is a small one."""

from statistics import median

from django.conf import settings

CODE = [
    path
    for app in ("midst", "taxonomy", "profiles", "perfops")
    for path in (settings.BASE_DIR / app).rglob("*.py")
    if "migrations" not in path.parts and path.read_text().strip()
]


def lines(path) -> int:
    return len(path.read_text().splitlines())


def test_no_module_is_longer_than_400_lines():
    assert [
        f"{path.relative_to(settings.BASE_DIR)}: {lines(path)}"
        for path in CODE
        if lines(path) > 400
    ] == []


def test_the_median_module_is_under_100_lines():
    """A subject stands in one module: many small ones hide it as well as one large one does."""
    assert median(map(lines, CODE)) < 100


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "util", "common", "helpers", "helper", "misc", "base"}
    midst = settings.BASE_DIR / "midst"
    # Django looks for a database backend's wrapper there.
    allowed = {midst / "settings" / "base.py", midst / "kernel" / "postgres" / "base.py"}
    assert [str(path) for path in CODE if path.stem in drawers and path not in allowed] == []
