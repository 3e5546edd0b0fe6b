"""``manage.py clear_cache``: an operator's way to make cached answers go."""

import json
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from midst.kernel.cache import clearing, kinds


class Command(BaseCommand):
    help = "Clear a kind of cached answers at once, or delete those whose keys match a pattern."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--kind", choices=[kind.name for kind in kinds.every()])
        what.add_argument("--pattern", help="a glob of keys without the prefix, like 'profile:a*'")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(
        self, *args: Any, kind: str | None, pattern: str | None, yes: bool, **options: Any
    ) -> None:
        self._json = options["format"] == "json"
        try:
            if kind is None:
                self._delete(clearing.checked_pattern(pattern or ""), yes=yes)
            else:
                self._clear(next(each for each in kinds.every() if each.name == kind), yes=yes)
        except clearing.BadPattern as error:
            raise CommandError(str(error)) from error

    def _clear(self, kind: kinds.Kind, *, yes: bool) -> None:
        _confirm(f"Make every cached answer of the kind {kind.name} void?", yes=yes)
        if not clearing.clear_kind(kind, by=_who()):
            raise CommandError("Redis does not answer: nothing was cleared. Try again later.")
        self._report(f"Every cached answer of the kind {kind.name} is void.", kind=kind.name)

    def _delete(self, pattern: str, *, yes: bool) -> None:
        _confirm(f"Delete every cached answer that matches {pattern}?", yes=yes)
        deleted, cursor = 0, 0
        while True:
            try:
                done = clearing.delete_matching(pattern, by=_who(), cursor=cursor)
            except RedisError as error:
                raise CommandError(
                    f"Redis does not answer ({error}) after {deleted:,} deleted keys. Try again."
                ) from error
            deleted, cursor = deleted + done.keys, done.cursor
            if done.is_finished:
                break
            self.stderr.write(f"{deleted:,} keys deleted so far ...")
        self._report(f"{deleted:,} keys deleted.", pattern=pattern, deleted=deleted)

    def _report(self, text: str, **data: Any) -> None:
        self.stdout.write(json.dumps(data) if self._json else text)


def _confirm(question: str, *, yes: bool) -> None:
    """Raises ``CommandError`` unless the answer is yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("Nobody is there to ask: say --yes.")
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        raise CommandError("Nothing was done.")


def _who() -> str:
    return f"manage.py clear_cache, user id {os.getuid()},"
