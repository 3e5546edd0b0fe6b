#!/usr/bin/env python
"""Django's command line for Midst, with development's settings unless told otherwise."""

import gc
import os
import sys

COULD_NOT_TELL = 2


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "midst.settings.dev")
    # Imports make little garbage: to look for it every 2,000 objects is a tenth of the start.
    gc.set_threshold(50_000, *gc.get_threshold()[1:])
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if "connection" not in str(error):
            raise
        sys.stderr.write(
            f"The database does not answer: {error}\n"
            "Start it (`make run` or `make up`), or set DATABASE_URL.\n"
        )
        sys.exit(COULD_NOT_TELL)


if __name__ == "__main__":
    main()
