"""What holds for every page: links lead somewhere, commands are taken, tables are complete."""

import re
import shlex
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

from tests.perfops.management.test_every_command import COMMANDS, parser_of

ROOT = Path(settings.BASE_DIR)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
# Where environment variables are read.
READERS = ["midst/settings", "midst/stack", "midst/server", "midst/asgi.py", "midst/celery.py",
           "infra/gunicorn.conf.py"]  # fmt: skip
READ = re.compile(
    r"(?:env(?:\.\w+)?\(|environ(?:\.get|\.setdefault)?[(\[]|share\(|positive_int\(|_number\("
    r"|signing_key\()\s*\"([A-Z][A-Z0-9_]+)\""
)
# Read, and no setting: what a shell and gunicorn have.
NO_SETTINGS = {"PATH", "CONTENT_LENGTH", "REQUEST_METHOD", "PATH_INFO", "HTTP_TRANSFER_ENCODING"}
# Documented, and read by libraries.
BY_LIBRARIES = {"OTEL_EXPORTER_OTLP_ENDPOINT", "PROMETHEUS_MULTIPROC_DIR"}


def prose_of(page):
    """Return it without its blocks: what they show need not be there."""
    return re.sub(r"^ *```.*?^ *```$|^ {4}[^\n]*$", "", page.read_text(), flags=re.M | re.S)


def anchors_of(page):
    """Return the anchors of its headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)|src(?:set)?=\"([^\"]+)\"", prose_of(page)):
        target, _, anchor = (link[0] or link[1]).partition("#")
        if re.match(r"\w+:", target):
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), target
        # The site that `make docs` builds has nothing but them.
        assert page == PAGES[0] or file.is_relative_to(ROOT / "docs"), target
        assert not anchor or anchor in anchors_of(file), (target, anchor)


def in_blocks(page):
    """Yield the words of each ``manage.py`` in its blocks of shell."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.search(r"manage\.py ([^|><&;)]+)", line)
            if command:
                yield shlex.split(command[1].split(" #")[0])


def in_sentences(page):
    """Yield the words of each ``manage.py`` between single backticks; values may be names."""
    for code in re.findall(r"`([^`]+)`", prose_of(page)):
        command = re.search(r"manage\.py ([a-z_]+[^|><&;]*)", code)
        if command:
            yield command[1].split()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_each_command_is_one_that_is_taken(page):
    for name, *words in in_blocks(page):
        assert name in get_commands()
        if name in COMMANDS:
            parser_of(name).parse_args(words)
    for name, *words in in_sentences(page):
        assert name in get_commands()
        if name in COMMANDS:
            options = {each.split("=")[0] for each in words if each.startswith("--")}
            assert options <= set(parser_of(name)._option_string_actions), name


def test_some_commands_are_found():
    assert sum(len([*in_blocks(page), *in_sentences(page)]) for page in PAGES) > 30


def test_the_page_of_commands_has_each_of_them():
    page = (ROOT / "docs" / "commands.md").read_text()
    assert sorted(re.findall(r"^\| `(\w+)` \|", page, re.M)) == sorted(COMMANDS)
    assert set(COMMANDS) <= set(get_commands())


def test_the_page_of_settings_has_each_variable_that_is_read():
    files = [
        file
        for each in READERS
        for file in ([ROOT / each] if each.endswith(".py") else (ROOT / each).rglob("*.py"))
        if file.name != "test.py"
    ]
    read = {name for file in files for name in READ.findall(file.read_text())}
    page = (ROOT / "docs" / "settings.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row)}
    assert documented - BY_LIBRARIES == read - NO_SETTINGS


def test_the_site_s_navigation_has_each_page():
    """``make docs`` builds it: what is in no menu is found by the search alone."""
    text = (ROOT / "mkdocs.yml").read_text()
    listed = re.findall(r"^ +- ([\w/-]+\.md)$", text.partition("\nnav:\n")[2], re.M)
    assert sorted(listed) == sorted(
        str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")
    )


def test_the_front_door_is_two_screens_at_most():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 90
