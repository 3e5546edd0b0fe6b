"""All advisors: the modules of this package that are one."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from perfops import advisors
from perfops.advisors.advice import ORDER, Advice, Advisor, is_advisor
from perfops.collectors.difference import Window
from perfops.conf import Conf


@cache
def every() -> tuple[Advisor, ...]:
    modules = (
        import_module(f"{advisors.__name__}.{found.name}")
        for found in iter_modules(advisors.__path__)
        if found.name != "registry"
    )
    return tuple(cast(Advisor, module) for module in modules if is_advisor(module))


def consult(window: Window, limits: Conf) -> list[Advice]:
    """Return what all advisors say, worst first."""
    found = [advice for advisor in every() for advice in advisor.run(window, limits)]
    return sorted(found, key=lambda a: (ORDER.index(a.severity), a.advisor, a.object))
