"""What is bought is called a purchase, in the models and in the database; the id that clients know stays `intent_id`.

Constraints, indexes and sequences are found in the catalogue, because PostgreSQL 18 names NOT NULL constraints after
their table and older versions do not. Nothing but names changes, so no row is written.
"""

from django.db import migrations, models
from django.db.models import Q

_CONSTRAINTS = {
    "price_positive": Q(fiat_expected__gt=0),
    "money_not_lost": ~Q(state__in=["expired", "cancelled", "failed"]) | Q(fiat_paid=0),
}
_INDEXES = ("due", "client", "open_state")
# As Django names it; with the longer word the name of the column no longer fits.
_FOREIGN_KEY = "purchases_delivery_purchase_id_5ca32d06_fk_purchases"
FOREIGN_KEYS = {"intent": f"{_FOREIGN_KEY}_intent_id", "purchase": _FOREIGN_KEY}


def rename(old: str, new: str) -> str:
    """SQL that gives the table, and all that is named after it, the word `new` instead of `old`."""
    own = "\n".join(f"ALTER TABLE purchases_{new} RENAME CONSTRAINT {old}_{n} TO {new}_{n};" for n in _CONSTRAINTS)
    indexes = "\n".join(f"ALTER INDEX {old}_{name} RENAME TO {new}_{name};" for name in _INDEXES)
    return f"""
ALTER TABLE purchases_{old} RENAME TO purchases_{new};
ALTER TABLE purchases_delivery RENAME CONSTRAINT {FOREIGN_KEYS[old]} TO {FOREIGN_KEYS[new]};
{own}
{indexes}
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT conname AS name FROM pg_constraint
        WHERE conrelid = 'purchases_{new}'::regclass AND starts_with(conname, 'purchases_{old}_')
    LOOP
        EXECUTE format('ALTER TABLE purchases_{new} RENAME CONSTRAINT %I TO %I',
            found.name, replace(found.name, 'purchases_{old}_', 'purchases_{new}_'));
    END LOOP;
    -- The index of a constraint has its new name by now.
    FOR found IN SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = 'purchases_{new}'::regclass AND starts_with(c.relname, 'purchases_{old}_')
    LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I',
            found.name, replace(found.name, 'purchases_{old}_', 'purchases_{new}_'));
    END LOOP;
    FOR found IN SELECT c.relname AS name FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
        WHERE d.refobjid = 'purchases_{new}'::regclass AND d.deptype IN ('a', 'i')
          AND starts_with(c.relname, 'purchases_{old}_')
    LOOP
        EXECUTE format('ALTER SEQUENCE %I RENAME TO %I',
            found.name, replace(found.name, 'purchases_{old}_', 'purchases_{new}_'));
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("purchases", "0004_delivery")]
    operations = [
        # By itself, because Django renames the content type only for such an operation; the table keeps its name here.
        migrations.RenameModel("Intent", "Purchase"),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(rename("intent", "purchase"), rename("purchase", "intent"))],
            state_operations=[
                migrations.AlterModelTable("purchase", "purchases_purchase"),
                *(
                    migrations.RenameIndex("purchase", new_name=f"purchase_{name}", old_name=f"intent_{name}")
                    for name in _INDEXES
                ),
                *(migrations.RemoveConstraint("purchase", f"intent_{name}") for name in _CONSTRAINTS),
                *(
                    migrations.AddConstraint("purchase", models.CheckConstraint(condition=held, name=f"purchase_{name}"))
                    for name, held in _CONSTRAINTS.items()
                ),
            ],
        ),
    ]
