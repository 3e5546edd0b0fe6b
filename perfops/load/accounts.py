"""Users that a scenario signs in as and the rows that it writes: there as long as its run."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.admindocs.views import extract_views_from_urlpatterns
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.exceptions import FieldDoesNotExist
from django.urls import get_resolver
from django.views.generic.edit import FormMixin

from perfops.load import routes, writes
from perfops.load.scenarios import Plan, SignIn
from perfops.models.runs import LoadRun
from perfops.origins.middleware import template

ACCOUNTS = 10
_TOKEN = re.compile(r"(^|/)(api-)?(token|token-auth|jwt/create|jwt)/?$")
_FORM = re.compile(r"(^|/)(log-?in|sign-?in)/?$")


def discovered() -> SignIn | None:
    """Return how the project's URLs sign a user in: for a token first, else by a form; or None."""
    patterns = extract_views_from_urlpatterns(get_resolver().url_patterns)
    views = {
        template(route): view for view, route, namespaces, _ in patterns
        if "admin" not in (namespaces or ())
    }  # fmt: skip
    for path in sorted(views, key=len):
        if _TOKEN.search(path.lower()):
            base = path.rstrip("/")
            end = path[len(base) :]
            tries = (f"{base}/refresh{end}", f"{base.rpartition('/')[0]}/refresh{end}")
            refresh = next((each for each in tries if each in views), "")
            return SignIn(path, refresh=refresh, username=_username())
    for path in sorted(views, key=len):
        if _FORM.search(path.lower()):
            return SignIn(path, is_form=_is_form(views[path]), username=_username())
    return None


def of_path(path: str) -> SignIn:
    """Return how ``path`` signs a user in, as far as its name and the URLs say."""
    found = discovered()
    if found is not None and found.path == path:
        return found
    return SignIn(path, is_form=_TOKEN.search(path.lower()) is None, username=_username())


def _is_form(view: Callable[..., Any]) -> bool:
    kind = getattr(view, "view_class", None)
    return kind is None or issubclass(kind, FormMixin)


def _username() -> str:
    return str(get_user_model().USERNAME_FIELD)


@contextmanager
def around(run: LoadRun, plan: Plan, *, needs_people: bool) -> Iterator[dict[str, str]]:
    """Yield the variables of the script; remove the users and all that the run wrote afterwards.

    What a killed run left is removed first. ``needs_people``: nobody else has made accounts.
    """
    mark = writes.mark_of(run.pk)
    made = _made(plan)
    signs_in = plan.spec.sign_in is not None and needs_people
    if not made and not signs_in:
        yield {}
        return
    _remove(writes.PREFIX, made, but=_marks_of_active())
    try:
        yield {"MARK": mark, **(people(mark) if signs_in else {})}
    finally:
        _remove(mark, made)


def writes_or_signs_in(plan: Plan) -> bool:
    """Say whether the plan needs a database that is ours."""
    return plan.spec.sign_in is not None or bool(_made(plan))


def _made(plan: Plan) -> list[str]:
    """Return what the plan's routes make, as "app.Model.field"."""
    if plan.routes is None or plan.routes.suffix != ".json":
        return []
    return sorted({route.made for route in routes.read(plan.routes).values() if route.made})


def people(mark: str) -> dict[str, str]:
    """Make users whose names begin with ``mark``; return the script's variable about them."""
    users = get_user_model()
    password = secrets.token_urlsafe(24)
    # Hashed once: ten times would take seconds, and the password is the same.
    hashed = make_password(password)
    is_email = "email" in users.USERNAME_FIELD
    names = [f"{mark}{n}{'@example.invalid' if is_email else ''}" for n in range(ACCOUNTS)]
    for number, name in enumerate(names):
        fields = {users.USERNAME_FIELD: name, "password": hashed}
        if not is_email and _has(users, "email"):
            fields["email"] = f"{mark}{number}@example.invalid"
        users(**fields).save()
    return {"PEOPLE": json.dumps({"names": names, "password": password})}


def _has(model: Any, name: str) -> bool:
    try:
        return bool(model._meta.get_field(name))
    except FieldDoesNotExist:
        return False


def _marks_of_active() -> list[str]:
    active = LoadRun.objects.filter(state__in=LoadRun.ACTIVE)
    return [writes.mark_of(pk) for pk in active.values_list("pk", flat=True)]


def _remove(prefix: str, made: list[str], but: list[str] | None = None) -> None:
    users = get_user_model()
    for each in [*made, f"{users._meta.label}.{users.USERNAME_FIELD}"]:
        rows, name = writes.rows_of(each, prefix), each.rpartition(".")[2]
        for mark in but or ():
            rows = rows.exclude(**{f"{name}__startswith": mark})
        rows.delete()
