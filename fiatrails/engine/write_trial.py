"""Whether a payment could be kept: a row is written and committed, and space on the disk is asked for.

Reading proves nothing: a standby, a full disk and a database that is read-only all answer reads.
"""

from __future__ import annotations

import os
from datetime import datetime

from django.db import connection, transaction

from fiatrails.kernel import statements

# A process writes its own row, so that none waits for a lock of another that has stopped; together they stay few.
SLOTS = 64
# Below the two seconds within which /health answers; it holds for this transaction and no other.
WITHIN_S = 1.5
_WRITE = """
    INSERT INTO engine_write_trial (slot, at) VALUES (%s, %s) ON CONFLICT (slot) DO UPDATE SET at = EXCLUDED.at
"""
# An update finds room in pages that are there; new payments need new ones. The result of this query does not fit into
# memory, so the server writes half a megabyte to its disk, and removes it.
_TAKE_SPACE = "SELECT count(*) FROM generate_series(1, 40000)"


def try_write(*, now: datetime) -> None:
    """Write and commit; raise the database's error when a payment could not be kept just now."""
    with statements.limited(WITHIN_S), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '64kB'")
        cursor.execute(_TAKE_SPACE)
        cursor.execute(_WRITE, [os.getpid() % SLOTS, now])
