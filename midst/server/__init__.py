"""The web process: connections on one event loop, Django in a few threads behind it."""
