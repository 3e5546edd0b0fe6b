"""``manage.py clear_cache``: invalidates a region of the cache, or deletes entries."""

import json
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from midst.kernel.cache.regions import CacheRegion, all_regions
from midst.operations.cache_page import clearing

_EXAMPLES = """examples:
  manage.py clear_cache --region profiles              asks first
  manage.py clear_cache --region profiles --yes        in a script
  manage.py clear_cache --pattern 'profile:a*' --yes --format json
"""


class Command(BaseCommand):
    help = "Invalidate a region of the cache at once, or delete entries whose keys match a pattern."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog, parser.formatter_class = _EXAMPLES, RawDescriptionHelpFormatter
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--region",
            "--kind",
            choices=[region.name for region in all_regions()],
            help="the region to invalidate (--kind is its former name)",
        )
        what.add_argument("--pattern", help="a glob of keys without the prefix, like 'profile:a*'")
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(
        self, *args: Any, region: str | None, pattern: str | None, yes: bool, **options: Any
    ) -> None:
        self._json = options["format"] == "json"
        try:
            if region is None:
                self._delete(clearing.checked_pattern(pattern or ""), yes=yes)
            else:
                self._clear(next(each for each in all_regions() if each.name == region), yes=yes)
        except clearing.BadPattern as error:
            raise CommandError(str(error)) from error

    def _clear(self, region: CacheRegion, *, yes: bool) -> None:
        _confirm(f"Invalidate every cached answer of the region {region.name}?", yes=yes)
        if not clearing.clear_region(region, by=_who()):
            raise CommandError("Redis is not available: nothing was cleared. Try again later.")
        # "kind" is the field's former name.
        text = f"Every cached answer of the region {region.name} is invalid now."
        self._report(text, region=region.name, kind=region.name)

    def _delete(self, pattern: str, *, yes: bool) -> None:
        _confirm(f"Delete every cached answer that matches {pattern}?", yes=yes)
        deleted, cursor = 0, 0
        while True:
            try:
                done = clearing.delete_matching(pattern, by=_who(), cursor=cursor)
            except RedisError as error:
                raise CommandError(
                    f"Redis is not available ({error}); keys deleted: {deleted:,}. Try again."
                ) from error
            deleted, cursor = deleted + done.keys, done.cursor
            if done.is_finished:
                break
            self.stderr.write(f"Keys deleted so far: {deleted:,} ...")
        self._report(f"Keys deleted: {deleted:,}.", pattern=pattern, deleted=deleted)

    def _report(self, text: str, **data: Any) -> None:
        self.stdout.write(json.dumps(data) if self._json else text)


def _confirm(question: str, *, yes: bool) -> None:
    """Raises ``CommandError`` unless the answer is yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("Not a terminal: pass --yes to confirm.")
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        raise CommandError("Cancelled: nothing was done.")


def _who() -> str:
    return f"manage.py clear_cache, user id {os.getuid()},"
