"""Settings: Midst as it is, and one address that breaks."""

from midst.settings.test import *  # noqa: F403

ROOT_URLCONF = "benchmarks.breaking.urls"
