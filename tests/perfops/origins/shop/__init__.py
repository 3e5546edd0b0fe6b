"""Somebody's Django project that has perfops in INSTALLED_APPS and knows nothing of Midst."""
