"""The tables of the EVM submitter carry their chain's name: other chains get tables of their own beside them.

Constraints, indexes and sequences are found in the catalogue, because PostgreSQL 18 names NOT NULL constraints after
their table and older versions do not.
"""

from django.db import migrations

TABLES = ("lane", "nonce_slot", "slot_intent", "attempt", "broadcast", "block", "inclusion")
MODELS = ("Lane", "NonceSlot", "SlotIntent", "Attempt", "Broadcast", "Block", "Inclusion")


def rename(old: str, new: str) -> str:
    """SQL that gives the tables, and all that is named after them, the prefix `new` instead of `old`."""
    tables = "\n".join(f"ALTER TABLE {old}_{name} RENAME TO {new}_{name};" for name in TABLES)
    names = ", ".join(f"'{new}_{name}'::regclass" for name in TABLES)
    return f"""
{tables}
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT conrelid::regclass AS owner, conname AS name FROM pg_constraint
        WHERE conrelid IN ({names}) AND starts_with(conname, '{old}_')
    LOOP
        EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I',
            found.owner, found.name, replace(found.name, '{old}_', '{new}_'));
    END LOOP;
    -- The index of a constraint has its new name by now.
    FOR found IN SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid IN ({names}) AND starts_with(c.relname, '{old}_')
    LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', found.name, replace(found.name, '{old}_', '{new}_'));
    END LOOP;
    FOR found IN SELECT c.relname AS name FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
        WHERE d.refobjid IN ({names}) AND d.deptype IN ('a', 'i') AND starts_with(c.relname, '{old}_')
    LOOP
        EXECUTE format('ALTER SEQUENCE %I RENAME TO %I', found.name, replace(found.name, '{old}_', '{new}_'));
    END LOOP;
END $$;
ALTER TRIGGER {old}_attempt_append_only ON {new}_attempt RENAME TO {new}_attempt_append_only;
ALTER FUNCTION {old}_attempt_append_only() RENAME TO {new}_attempt_append_only;
CREATE OR REPLACE FUNCTION {new}_attempt_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION '{new}_attempt is append-only' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.id, OLD.slot_id, OLD.hash, OLD.raw, OLD.max_fee, OLD.tip, OLD.gas, OLD.signed_at_block, OLD.created_at)
        IS DISTINCT FROM
        (NEW.id, NEW.slot_id, NEW.hash, NEW.raw, NEW.max_fee, NEW.tip, NEW.gas, NEW.signed_at_block, NEW.created_at)
    THEN
        RAISE EXCEPTION 'signed bytes of {new}_attempt never change'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("chains", "0001_evm_submitter")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(rename("chains", "evm"), rename("evm", "chains"))],
            state_operations=[
                migrations.AlterModelTable(name=model, table=f"evm_{table}")
                for model, table in zip(MODELS, TABLES, strict=True)
            ],
        ),
    ]
