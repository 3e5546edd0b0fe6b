"""Trying what a scenario would ask for: each once, in this process, and rolled back."""

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router, transaction
from django.test import Client

from perfops.load import accounts, writes
from perfops.load.scenarios import SignIn

_MARK = f"{writes.PREFIX}0-"
_TOKENS = ("access", "access_token", "token", "key")


def tried(entries: dict[str, Any], sign_in: SignIn | None) -> tuple[dict[str, Any], list[str]]:
    """Return what of ``entries`` a user gets who signs in so, and why others are left out.

    Those whose paths are filled in from rows are not tried. Nothing stays of it; what waits for the
    transaction's end, such as tasks and mail, is not done.
    """
    good: dict[str, Any] = {}
    left_out: list[str] = []
    alias = router.db_for_write(get_user_model())
    with transaction.atomic(using=alias):
        client = Client(raise_request_exception=False, SERVER_NAME="localhost")
        headers = {} if sign_in is None else _signed_in(client, sign_in)
        for name, entry in entries.items():
            with transaction.atomic(using=alias):
                said = _tried(client, name, entry, headers)
                transaction.set_rollback(True, using=alias)
            if said:
                left_out.append(f"{name}: {said}")
            else:
                good[name] = entry
        transaction.set_rollback(True, using=alias)
    return good, left_out


def _signed_in(client: Client, sign_in: SignIn) -> dict[str, str]:
    """Sign a new user in; return the headers of its requests."""
    people = json.loads(accounts.people(_MARK)["PEOPLE"])
    users = get_user_model()
    name = people["names"][0]
    if sign_in.is_form:
        client.force_login(users._default_manager.get(**{users.USERNAME_FIELD: name}))
        return {}
    given = {sign_in.username: name, "password": people["password"]}
    answer = client.post(sign_in.path, json.dumps(given), content_type="application/json")
    said: Any = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
    key = next((each for each in _TOKENS if said.get(each)), "")
    if not key:
        return {}
    is_bearer = key.startswith("access") or said[key].count(".") == 2
    return {"authorization": f"{'Bearer' if is_bearer else 'Token'} {said[key]}"}


def _tried(client: Client, name: str, entry: Any, headers: dict[str, str]) -> str:
    """Return why the answer is not as expected, or ""."""
    is_post = isinstance(entry, dict) and entry.get("method") == "POST"
    if is_post:
        text = json.dumps(entry["body"]).replace(writes.MARK, f"{_MARK}1")
        more: dict[str, Any] = {"data": text, "content_type": "application/json"}
        if entry.get("form"):
            more = {"data": json.loads(text)}
        answer = client.post(entry["paths"][0], headers=headers, **more)
    elif isinstance(entry, dict):
        return ""
    else:
        answer = client.get(name, headers=headers)
    wanted = (entry["statuses"] if is_post else ()) or range(200, 300)
    if answer.status_code not in wanted:
        return f"a first try answered {answer.status_code}"
    if is_post and not writes.rows_of(entry["made"], _MARK).exists():
        return f"it makes no {entry['made']}"
    return ""
