"""The endpoints of the collections under a profile: five for each declaration.

django-ninja reads a view's signature. The schemas of the body and of the query differ from
collection to collection, so ``_takes`` contributes them to the signature; the view gets them in
``received``.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from ninja.params import functions as params
from ninja.utils import contribute_operation_args

from midst.accounts.access import principal
from midst.kernel import openapi
from midst.kernel.http import item_path, no_content, own_path, respond, send, send_own
from midst.kernel.input import sent
from midst.kernel.pagination import Listing
from midst.kernel.problems import CONFLICT, NOT_YOURS, QUOTA_EXHAUSTED
from profiles.api import ANYONE, READER, WRITER
from profiles.collections import APPLICATIONS, CV, NARRATIVES, TIMELINE, Collection
from profiles.selectors import collections as selectors
from profiles.services import collections as services
from profiles.services import narratives, postings
from profiles.services.collections import Prepare, as_sent

View = Callable[..., HttpResponse]

router = Router(tags=["collections of a profile"])

# ruff: noqa: A002 -- `id` is the URL's name for it


def list_view(collection: Collection) -> View:
    def view(request: HttpRequest, profile: str, **received: Any) -> HttpResponse:
        query = received["query"].model_dump(exclude_none=True)
        user = principal(request).user
        answer, own = selectors.listed(
            collection, profile, user=user, path=own_path(request), **query
        )
        return respond(request, answer, own=own)

    return _takes(view, "query", collection.query, params.Query(...))


def create_view(collection: Collection, prepare: Prepare) -> View:
    def view(request: HttpRequest, profile: str, **received: Any) -> HttpResponse:
        fields = received["data"].model_dump()
        if fields.get("position", 0) is None:
            del fields["position"]
        user = principal(request).user
        key, body = services.create(collection, profile, user, fields, prepare)
        return send(body, status=201, location=item_path(request, key))

    return _takes(view, "data", collection.body, params.Body(...))


def show_view(collection: Collection) -> View:
    def view(request: HttpRequest, profile: str, id: UUID) -> HttpResponse:
        answer, own = selectors.detail(collection, profile, id, user=principal(request).user)
        return respond(request, answer, own=own)

    return view


def change_view(collection: Collection, prepare: Prepare) -> View:
    def view(request: HttpRequest, profile: str, id: UUID, **received: Any) -> HttpResponse:
        fields, user = sent(received["data"]), principal(request).user
        body = services.change(collection, request, profile, id, user, fields, prepare)
        return send_own(request, body)

    return _takes(view, "data", collection.changes, params.Body(...))


def delete_view(collection: Collection) -> View:
    def view(request: HttpRequest, profile: str, id: UUID) -> HttpResponse:
        services.delete(collection, request, profile, id, principal(request).user)
        return no_content()

    return view


def mount(collection: Collection, prepare: Prepare = as_sent) -> None:
    """Add the five endpoints of a collection to the router.

    ``prepare`` sets the fields of a row before its save, for collections with rules of their own.
    """
    noun, name = collection.noun, collection.path.replace("-", "_")
    rows, row = f"/{{profile}}/{collection.path}", f"/{{profile}}/{collection.path}/{{uuid:id}}"
    reader: Any = READER if collection.public is None else ANYONE
    reads = openapi.problems(NOT_YOURS) if collection.public is None else {}
    writes = openapi.problems(CONFLICT, QUOTA_EXHAUSTED)
    router.add_api_operation(
        rows, ["GET"], list_view(collection), auth=reader,
        response=Listing.__class_getitem__(collection.shown),
        operation_id=f"list_{name}", summary=f"List: {noun}", openapi_extra=reads,
        description=collection.description or None,
    )  # fmt: skip
    router.add_api_operation(
        rows, ["POST"], create_view(collection, prepare), auth=WRITER,
        response={201: collection.shown},
        operation_id=f"add_{name}", summary=f"Add: {noun}", openapi_extra=writes,
    )  # fmt: skip
    router.add_api_operation(
        row, ["GET"], show_view(collection), auth=reader, response=collection.shown,
        operation_id=f"show_{name}", summary=f"Show: {noun}", openapi_extra=reads,
    )  # fmt: skip
    router.add_api_operation(
        row, ["PATCH"], change_view(collection, prepare), auth=WRITER, response=collection.shown,
        operation_id=f"change_{name}", summary=f"Change: {noun}", openapi_extra=writes,
    )  # fmt: skip
    router.add_api_operation(
        row, ["DELETE"], delete_view(collection), auth=WRITER, response={204: None},
        operation_id=f"delete_{name}", summary=f"Delete: {noun}",
    )  # fmt: skip


def _takes(view: View, name: str, schema: type[Schema], source: Any) -> View:
    contribute_operation_args(view, name, schema, source)
    return view


for each in (*CV, TIMELINE):
    mount(each)
mount(NARRATIVES, narratives.prepare)
mount(APPLICATIONS, postings.prepare)
