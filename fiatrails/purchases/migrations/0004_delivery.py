"""What belongs to the chain moves from the intent to its deliveries; today each intent has one."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

_FILL = """
INSERT INTO purchases_delivery (purchase_id, position, chain, recipient, asset, amount, reference, state, transaction,
    place, alone, releases, fence, attempts, last_error)
SELECT id, 0, 'evm:' || chain_id, "user", country_code, amount, intent_id,
    CASE WHEN state IN ('submitting', 'mined', 'executed') THEN state ELSE 'waiting' END,
    tx_hash, block_number, alone, releases, 0, 0, ''
FROM purchases_intent;
"""
_GIVE_BACK = """
UPDATE purchases_intent i
   SET chain_id = substring(d.chain FROM 'evm:(.*)')::bigint, "user" = d.recipient, country_code = d.asset,
       amount = d.amount, tx_hash = d.transaction, block_number = d.place, alone = d.alone, releases = d.releases
  FROM purchases_delivery d
 WHERE d.purchase_id = i.id AND d.position = 0;
"""
_BATCH = 5000


def hash_references(apps, schema_editor):
    """The database has no Keccak; the hash of a reference is made here."""
    from eth_utils.crypto import keccak

    rows = schema_editor.connection.cursor()
    with rows, schema_editor.connection.cursor() as writer:
        after = 0
        while True:
            rows.execute("SELECT id, tx_ref FROM purchases_intent WHERE id > %s ORDER BY id LIMIT %s", [after, _BATCH])
            batch = rows.fetchall()
            if not batch:
                return
            after = batch[-1][0]
            hashes = ["0x" + keccak(tx_ref.encode()).hex() for _, tx_ref in batch]
            writer.execute(
                "UPDATE purchases_intent i SET tx_ref_hash = t.hash"
                " FROM unnest(%s::bigint[], %s::text[]) AS t (id, hash) WHERE i.id = t.id",
                [[pk for pk, _ in batch], hashes],
            )


MOVED = {
    "tx_ref_hash": (models.CharField, {"max_length": 66}),
    "chain_id": (models.BigIntegerField, {}),
    "user": (models.CharField, {"max_length": 42}),
    "amount": (models.DecimalField, {"max_digits": 78, "decimal_places": 0}),
    "country_code": (models.CharField, {"max_length": 3}),
    "alone": (models.BooleanField, {"default": False}),
    "releases": (models.IntegerField, {"default": 0}),
}


class Migration(migrations.Migration):
    dependencies = [("purchases", "0003_alter_intent_hold")]

    operations = [
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("due_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("fence", models.BigIntegerField(default=0)),
                ("attempts", models.IntegerField(default=0)),
                ("last_error", models.TextField(blank=True, default="")),
                ("position", models.SmallIntegerField()),
                ("chain", models.CharField(max_length=64)),
                ("recipient", models.CharField(max_length=64)),
                ("asset", models.CharField(max_length=64)),
                ("amount", models.DecimalField(decimal_places=0, max_digits=78)),
                ("reference", models.CharField(max_length=128, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("submitting", "submitting"),
                            ("mined", "mined"),
                            ("executed", "executed"),
                        ],
                        default="waiting",
                        max_length=12,
                    ),
                ),
                ("transaction", models.CharField(max_length=128, null=True)),
                ("place", models.BigIntegerField(null=True)),
                ("alone", models.BooleanField(default=False)),
                ("releases", models.IntegerField(default=0)),
                ("news", models.JSONField(null=True)),
                (
                    "purchase",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="purchases.intent",
                    ),
                ),
            ],
            options={
                "db_table": "purchases_delivery",
                "indexes": [
                    models.Index(condition=Q(("due_at__isnull", False)), fields=["due_at"], name="delivery_due"),
                    models.Index(fields=["recipient", "-purchase"], name="delivery_recipient"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=Q(("amount__gt", 0)), name="delivery_amount_positive"),
                    models.UniqueConstraint(fields=("purchase", "position"), name="delivery_position_once"),
                ],
            },
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="intent", name="intent_amount_positive"),
        migrations.RemoveIndex(model_name="intent", name="intent_user"),
        # Backwards, a column is there without its values for a moment.
        *(
            migrations.AlterField("intent", name, kind(**{**options, "null": True}))
            for name, (kind, options) in MOVED.items()
        ),
        migrations.RunPython(migrations.RunPython.noop, hash_references),
        migrations.RunSQL(migrations.RunSQL.noop, _GIVE_BACK),
        *(migrations.RemoveField("intent", name) for name in (*MOVED, "tx_hash", "block_number")),
        migrations.AlterField("intent", "intent_id", models.CharField(max_length=128, unique=True)),
        migrations.AlterField("transition", "intent_id", models.CharField(max_length=128)),
        migrations.AlterField("dailyusage", "user", models.CharField(max_length=64)),
    ]
