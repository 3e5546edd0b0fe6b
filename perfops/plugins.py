"""What other apps and installed packages add: advisors, budget metrics, formats, scenario folders.

Each kind is a ``Group``. A plugin is found by an entry point of the group's name, or by a dotted
path in the group's setting::

    [project.entry-points."perfops.advisors"]      PERFOPS = {"ADVISORS": ["shop.advisors.carts"]}
    carts = "shop.advisors.carts"

One that can't be used costs itself: ``faults`` names it, and ``manage.py check`` shows it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import Any

from django.core.signals import setting_changed
from django.dispatch import receiver

from perfops.conf import conf


@dataclass(frozen=True, slots=True)
class Group:
    """``entry_points``: the group's name there; ``setting``: its key in ``settings.PERFOPS``.

    ``wrong`` returns what is wrong with a loaded plugin, or "" when it can be used.
    """

    entry_points: str
    setting: str
    wrong: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Plugin:
    """``name``: the dotted path; ``source``: who named it; ``fault``: why it can't be used."""

    name: str
    source: str
    value: Any = None
    fault: str = ""


def plugins(group: Group) -> tuple[Plugin, ...]:
    """Return every plugin of ``group`` that is not perfops' own, usable or not.

    They are looked for once: reading all entry points takes milliseconds.
    """
    return _plugins(group, getattr(conf(), group.setting))


@cache
def _plugins(group: Group, named: tuple[str, ...]) -> tuple[Plugin, ...]:
    return tuple(_loaded(name, source, group) for name, source in _sources(group, named))


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting == "PERFOPS":
        _plugins.cache_clear()


def usable(group: Group) -> tuple[Any, ...]:
    """Return the plugins of ``group`` that can be used."""
    return tuple(each.value for each in plugins(group) if not each.fault)


def faults(groups: Iterable[Group]) -> list[str]:
    """Return a sentence for each plugin that can't be used: which, who named it, and why."""
    return [
        f"{each.name} ({each.source}) can't be used: {each.fault}"
        for group in groups
        for each in plugins(group)
        if each.fault
    ]


def _sources(group: Group, named: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for point in entry_points(group=group.entry_points):
        package = point.dist.name if point.dist else "an installed package"
        yield point.value.replace(":", "."), f"entry point {group.entry_points} of {package}"
    for name in named:
        yield name, f"PERFOPS['{group.setting}']"


def _loaded(name: str, source: str, group: Group) -> Plugin:
    try:
        value = resolve_name(name)
    except Exception as error:
        return Plugin(name, source, fault=f"importing it raised {type(error).__name__}: {error}")
    return Plugin(name, source, value, group.wrong(value))
