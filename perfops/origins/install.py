"""Puts all of it to work, once, when Django is ready."""

from importlib.util import find_spec

from django.conf import settings

from perfops.conf import conf
from perfops.origins import flushing, middleware, wrapper


def install() -> None:
    """Count from now on, unless ``PERFOPS["ORIGINS"]`` is off.

    The middleware comes first in the list, unless the project has put it there by hand.
    """
    if not conf().ORIGINS:
        return
    wrapper.install()
    if find_spec("celery") is not None:
        from perfops.origins import celery as workers

        workers.install()
    flushing.install()
    if middleware.PATH not in settings.MIDDLEWARE:
        settings.MIDDLEWARE = [middleware.PATH, *settings.MIDDLEWARE]
