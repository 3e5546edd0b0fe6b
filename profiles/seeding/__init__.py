"""Development data: profiles with a realistic spread, the same ones for the same seed."""

from profiles.seeding.handmade import handmade
from profiles.seeding.people import people
from profiles.seeding.seeding import any_profiles, seed

__all__ = ["any_profiles", "handmade", "people", "seed"]
