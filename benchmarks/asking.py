"""What the comparison of sizes asks: every list and detail under ``/profiles``, at random keys."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote_plus

import dj_database_url
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from midst.accounts import services as accounts
from midst.accounts.models import Scope
from midst.kernel.pagination import Cursor
from profiles.collections import APPLICATIONS, CV, NARRATIVES, TIMELINE, Collection
from profiles.models import Profile
from profiles.selectors import collections, profiles

PATH = "/api/v1/profiles"
KEYS = 2000
LIMIT = 20


@dataclass(frozen=True)
class Case:
    """An endpoint: what to put into ``path`` at random, and the selector behind it."""

    keys: list[Any]
    path: Callable[[Any], str]
    select: Callable[[Any], object]
    own: bool = False


def opened(url: str) -> DatabaseWrapper:
    """Return a connection of Django to the database at ``url``."""
    parameters = {**connections["default"].settings_dict, **dj_database_url.parse(url)}
    return DatabaseWrapper(parameters, "default")


def enter(connection: DatabaseWrapper) -> None:
    """From here on Django works on this connection's database."""
    connections["default"] = connection


class Side:
    """One of the two databases, and what is asked of it."""

    def __init__(self, url: str) -> None:
        self.connection = opened(url)
        self.enter()
        self.staff, self.token = _staff()
        listed = Profile.objects.listed().order_by("?")
        self.rows = list(listed.values("id", "slug", "created_at", "display_name")[:KEYS])
        self.cases = self._of_profiles()
        for collection in (*CV, TIMELINE, NARRATIVES, APPLICATIONS):
            self.cases |= self._of_part(collection)

    def enter(self) -> None:
        """From here on Django works on this database."""
        enter(self.connection)

    def selecting(self, name: str) -> Callable[[Random], object]:
        case = self.cases[name]

        def select(random: Random) -> object:
            self.enter()
            return case.select(random.choice(case.keys))

        return select

    def fetching(self, name: str, connection: Any, fetch: Any) -> Callable[[Random], object]:
        case = self.cases[name]
        token = self.token if case.own else ""
        return lambda random: fetch(connection, case.path(random.choice(case.keys)), token)

    def _of_profiles(self) -> dict[str, Case]:
        def listed(**options: Any) -> object:
            return profiles.listed(path=PATH, limit=LIMIT, **options)

        def detail(reference: str) -> object:
            return profiles.detail(reference, user=AnonymousUser())

        cursors = [Cursor(row["created_at"], row["id"]).encode() for row in self.rows]
        names = [row["display_name"][:4].lower() for row in self.rows]
        slugs, ids = [r["slug"] for r in self.rows], [str(r["id"]) for r in self.rows]
        start = f"{PATH}?limit={LIMIT}"
        return {
            "list, first page": Case([""], lambda _: start, lambda _: listed()),
            "list, anywhere": Case(
                cursors, lambda key: f"{start}&cursor={key}", lambda key: listed(cursor=key)
            ),
            "list, by name": Case(
                names,
                lambda key: f"{start}&name={quote_plus(key)}",
                lambda key: listed(name=key),
            ),
            "list, of a month": Case(
                [row["created_at"] for row in self.rows],
                lambda key: (
                    f"{start}&created_from={key:%Y-%m-%dT%H:%M:%SZ}"
                    f"&created_before={key + timedelta(30):%Y-%m-%dT%H:%M:%SZ}"
                ),
                lambda key: listed(since=key, before=key + timedelta(30)),
            ),
            "detail, by slug": Case(slugs, lambda key: f"{PATH}/{key}", detail),
            "detail, by id": Case(ids, lambda key: f"{PATH}/{key}", detail),
        }

    def _of_part(self, collection: Collection) -> dict[str, Case]:
        slugs = {row["id"]: row["slug"] for row in self.rows}
        rows = collection.model._default_manager.filter(profile_id__in=slugs)
        found = rows.filter(collection.public) if collection.public is not None else rows
        keys = [(slugs[profile], key) for profile, key in found.values_list("profile_id", "pk")]
        own = collection.public is None
        user = self.staff if own else AnonymousUser()

        def listed(key: Any) -> object:
            path = f"{PATH}/{key[0]}/{collection.path}"
            return collections.listed(
                collection, key[0], user=user, path=path, limit=LIMIT, cursor=""
            )

        return {
            f"{collection.path}, list": Case(
                keys, lambda key: f"{PATH}/{key[0]}/{collection.path}?limit={LIMIT}", listed, own
            ),
            f"{collection.path}, detail": Case(
                keys,
                lambda key: f"{PATH}/{key[0]}/{collection.path}/{key[1]}",
                lambda key: collections.detail(collection, key[0], key[1], user=user),
                own,
            ),
        }


def _staff() -> tuple[Any, str]:
    """What others must not see is asked by staff, with a token for today."""
    staff, _ = get_user_model()._default_manager.get_or_create(
        username="benchmark", defaults={"is_staff": True, "password": "!"}
    )
    _, token = accounts.issue_api_token(
        staff,
        name="benchmark",
        scopes=[Scope.PROFILES_READ],
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    return staff, token
