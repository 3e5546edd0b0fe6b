"""Puts all of it to work, once, when Django is ready."""

from importlib.util import find_spec

from perfops.conf import conf
from perfops.origins import flushing, wrapper


def install() -> None:
    """Count from now on, unless ``PERFOPS["ORIGINS"]`` is off.

    Requests are attributed by ``perfops.origins.middleware``, which the project names itself.
    """
    if not conf().ORIGINS:
        return
    wrapper.install()
    if find_spec("celery") is not None:
        from perfops.origins import celery as workers

        workers.install()
    flushing.install()
