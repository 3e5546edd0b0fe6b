"""What rehearsals leave behind when they are killed."""

import logging

from django.db import DatabaseError

from perfops.conf import conf
from perfops.indexes import scratch
from perfops.indexes import table_copies as copying

log = logging.getLogger(__name__)


def sweep() -> list[str]:
    """Drop the scratch schemas of dead rehearsals wherever one is allowed; return their names.

    One that is alive is let alone, and a database that can't be swept is only logged.
    """
    swept: list[str] = []
    for alias in sorted(set(conf().REHEARSE_ON.values())):
        try:
            with copying.writing(alias, conf()) as cursor:
                swept += scratch.sweep(cursor)
        except DatabaseError as error:
            reason = str(error).partition("\n")[0]
            log.warning("what rehearsals have left on %s is not swept: %s", alias, reason)
    if swept:
        log.info("swept what killed rehearsals have left: %s", ", ".join(swept))
    return swept
