"""A folder of scenarios of another app."""
