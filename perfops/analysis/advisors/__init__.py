"""Pure functions: snapshots in, findings out. Adding an advisor is adding a file."""
