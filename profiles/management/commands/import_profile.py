"""``manage.py import_profile``: what operators restore counts against nobody's plan."""

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from pydantic import ValidationError

from midst.kernel.input import read_json
from midst.kernel.problems import Problem
from profiles.collections.export import ProfileImport
from profiles.services import exports

_MOST_BYTES = 50_000_000
# There may be millions of users: a few that begin alike.
_ALIKE_BY, _MOST_NAMES = 2, 5

_EXAMPLES = """examples:
  manage.py import_profile ada.json --owner ada              a profile that is gone
  manage.py import_profile ada.json --owner ada --replace    back to what the export has
  manage.py import_profile - --owner ada < ada.json          from standard input
  manage.py import_profile ada.json --owner ada --format json
"""


class Command(BaseCommand):
    help = "Restore a profile from its export. The plan's limits do not count."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog, parser.formatter_class = _EXAMPLES, RawDescriptionHelpFormatter
        parser.add_argument("file", type=Path, help="the export; - reads standard input")
        parser.add_argument("--owner", required=True, help="the user name of its owner")
        parser.add_argument(
            "--replace", action="store_true", help="also when the profile is there and differs"
        )
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, file: Path, owner: str, replace: bool, **options: Any) -> None:
        users = get_user_model()._default_manager
        user = users.filter(username=owner).first()
        if user is None:
            alike = users.filter(username__istartswith=owner[:_ALIKE_BY]).order_by("username")
            names = ", ".join(alike.values_list("username", flat=True)[:_MOST_NAMES])
            raise CommandError(f"There is no user {owner!r}; there is: {names or 'none like it'}.")
        data = _read(file)
        try:
            result = exports.restore(user, data, replace=replace, limited=False)
        except Problem as problem:
            errors = "; ".join(f"{each.field}: {each.message}" for each in problem.errors)
            raise CommandError(
                errors or problem.detail.replace("replace=true", "--replace")
            ) from problem
        if options["format"] == "json":
            self.stdout.write(json.dumps(result, default=str))
            return
        added, removed = sum(result["added"].values()), sum(result["removed"].values())
        self.stdout.write(
            f"Profile {result['slug']} ({result['id']}): {result['outcome']}, "
            f"rows added: {added}, removed: {removed}."
        )


def _read(path: Path) -> ProfileImport:
    """Raises ``CommandError`` for what is no export."""
    try:
        file = sys.stdin.buffer if path == Path("-") else path.open("rb")
        with file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"The file can't be read: {error}.") from error
    if len(text) > _MOST_BYTES:
        raise CommandError(f"The file is larger than {_MOST_BYTES:,} bytes.")
    try:
        return ProfileImport.model_validate(read_json(text))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:20]]
        raise CommandError("The file is no export of a profile.\n" + "\n".join(lines)) from error
    except ValueError as error:
        raise CommandError(f"The file can't be read: {error}") from error
