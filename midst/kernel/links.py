"""Addresses of our own resources, made from the URLconf.

A page that is cached for everybody must hold nothing that one client chose freely: neither a
header such as ``SCRIPT_NAME`` nor another spelling of the path reaches an address made here.
"""

import re
from functools import cache
from urllib.parse import quote

from django.http import HttpRequest
from django.urls import get_script_prefix

_PARAMETER = re.compile(r"<(?:[^<>:]+:)?(\w+)>")


def own_path(request: HttpRequest) -> str:
    """Return the path of the matched route, each of its parameters percent-encoded.

    Valid inside a view only. Parameters of type ``str`` must have been validated before the path
    goes into an answer that others may get.
    """
    match = request.resolver_match
    if match is None:
        raise ValueError("own_path needs a request that has been routed to a view")
    parameters = {name: quote(str(value), safe="") for name, value in match.kwargs.items()}
    return get_script_prefix() + _template(match.route).format(**parameters)


def item_path(request: HttpRequest, key: object) -> str:
    """Return the path of one member of the collection that ``request`` was sent to."""
    return f"{own_path(request)}/{quote(str(key), safe='')}"


@cache
def _template(route: str) -> str:
    return _PARAMETER.sub(r"{\1}", route)
