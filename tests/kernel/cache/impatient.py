"""The tests' settings with production's patience with Redis: faults are felt as they are there."""

from midst.settings.base import CACHES as _CACHES
from midst.settings.test import *  # noqa: F403

CACHES = _CACHES
