"""Capacity reviews: how fast a database grows, how much room is left, and what is full first."""
