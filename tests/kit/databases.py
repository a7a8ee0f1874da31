"""Databases for tests: copied from one that is migrated, and emptied between tests, instead of made anew."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Protocol

import psycopg
from psycopg import sql

from fiatrails.local.postgres import EmbeddedPostgres
from fiatrails.local.toolchain import PROJECT_ROOT

# The template that every server of the tests and benchmarks has.
MIGRATED = "migrated"
# Made by `migrate` itself and never changed afterwards, but for currencies that a test adds to the table; Django's own
# flush would make them again after every test.
_KEPT = ("django_migrations", "django_content_type", "auth_permission", "ledger_currency")

# The append-only guards refuse it to everybody but a replica. Nobody may be writing meanwhile, so every table is
# locked; but only those are emptied that were ever written to. TRUNCATE makes every file of a table and its indexes
# anew, which takes ten times as long as to delete a few rows; it is for tables beyond one page, dead rows counted.
_EMPTY = """
DO $$
DECLARE
    ours regclass[];
    one regclass;
    grown text;
BEGIN
    SELECT array_agg(oid::regclass) INTO ours FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname !~ '^({kept})$';
    EXECUTE 'LOCK TABLE ' || array_to_string(ours, ', ') || ' IN ACCESS EXCLUSIVE MODE';
    PERFORM set_config('session_replication_role', 'replica', true);
    SELECT string_agg(name::text, ', ') INTO grown FROM unnest(ours) AS name
    WHERE pg_relation_size(name) > current_setting('block_size')::integer;
    IF grown IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || grown || ' CASCADE';
    END IF;
    FOREACH one IN ARRAY ours LOOP
        IF pg_relation_size(one) > 0 THEN
            EXECUTE 'DELETE FROM ' || one;
        END IF;
    END LOOP;
END $$
""".replace("{kept}", "|".join(_KEPT))
_RESTART = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL AND sequencename !~ '^({kept})_'
""".replace("{kept}", "|".join(_KEPT))
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SCHEMA = """
SELECT md5(string_agg(part, E'\\n' ORDER BY part)) FROM (
    SELECT concat_ws(' ', relname, relkind, relacl, reloptions) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled, tgfoid::regproc) FROM pg_trigger
    UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', proname, proacl, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', attrelid::regclass, attname, atttypid, attnotnull, attisdropped) FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = 'public'::regnamespace
) AS parts (part)
"""


def make_template(server: EmbeddedPostgres) -> None:
    """Migrate the database that `migrated_copy` copies, in a process of its own: Django knows one database."""
    named = {"DATABASE_URL": server.createdb(MIGRATED), "DJANGO_SETTINGS_MODULE": "fiatrails.config.settings.test"}
    migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, env={**os.environ, **named}, cwd=PROJECT_ROOT, check=True)


def migrated_copy(server: EmbeddedPostgres, name: str, *, of: str = MIGRATED) -> str:
    """Creates a database like that one, by default the whole schema and nothing in it; returns its connection URL."""
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(of))
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(copy)
    return server.dsn_for(name)


class Session(Protocol):
    """A Django cursor or a psycopg connection."""

    def execute(self, query: Any) -> Any:
        """Run one statement."""


def empty(session: Session) -> None:
    """Remove every row, past the append-only guards; the schema and what `migrate` itself wrote stay."""
    session.execute(_EMPTY)


def restart_numbers(session: Session) -> None:
    """Let every sequence begin again, as in a new database."""
    session.execute(_RESTART)


def end_other_sessions(session: Session) -> None:
    """Disconnect everybody else from this database; whatever they had open is rolled back."""
    session.execute(_END_OTHERS)


def schema(session: Any) -> str:
    """A digest of everything in the public schema that a test might change."""
    row = session.execute(_SCHEMA).fetchone()
    return str(row[0])
