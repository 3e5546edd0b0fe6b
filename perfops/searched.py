"""The models of a project that the search of perfops' pages looks through."""

from typing import Any

from django.apps import apps

from perfops.conf import conf


def models() -> list[Any]:
    """Return what ``PERFOPS["SEARCHED_MODELS"]`` names, in its order, without what is not there."""
    known = _known()
    return [known[each.lower()] for each in conf().SEARCHED_MODELS if each.lower() in known]


def unknown() -> list[str]:
    """Return the names in ``PERFOPS["SEARCHED_MODELS"]`` that no installed model has."""
    known = _known()
    return [each for each in conf().SEARCHED_MODELS if each.lower() not in known]


def _known() -> dict[str, Any]:
    return {each._meta.label_lower: each for each in apps.get_models()}
