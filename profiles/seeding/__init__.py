"""Development data: profiles with a realistic spread, the same ones for the same seed."""

from profiles.seeding.seeding import any_profiles, people, seed

__all__ = ["any_profiles", "people", "seed"]
