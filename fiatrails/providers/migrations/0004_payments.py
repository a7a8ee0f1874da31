"""A message of a provider and the payment that it tells of are rows of their own, and requests have the field's names.

The message keeps its bytes; money, receipt and payer, and where the money stands, go to the payment. A payment has the
number of its message.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

MOVE = """
INSERT INTO rb_core_payment (id, due_at, lease_until, fence, attempts, last_error, provider, receipt, credits, tx_ref,
    amount_minor, currency, phone, payer_name, occurred_at, state, intent_id)
SELECT id, due_at, lease_until, fence, attempts, last_error, provider, receipt, credits, tx_ref, amount_minor, currency,
       phone, payer_name, occurred_at, state, intent_id
FROM rb_core_inbox_event;
DROP TRIGGER keep_bytes ON rb_core_inbox_event;
UPDATE rb_core_inbox_event SET state = 'processed', kind = 'payment';
"""
MOVE_BACK = """
UPDATE rb_core_inbox_event e
   SET due_at = p.due_at, lease_until = p.lease_until, fence = p.fence, attempts = p.attempts,
       last_error = p.last_error, receipt = p.receipt, credits = p.credits, tx_ref = p.tx_ref,
       amount_minor = p.amount_minor, currency = p.currency, phone = p.phone, payer_name = p.payer_name,
       occurred_at = p.occurred_at, state = p.state, intent_id = p.intent_id
  FROM rb_core_payment p WHERE p.id = e.id;
CREATE TRIGGER keep_bytes BEFORE UPDATE OF raw, digest, provider, event_key, payer_name, received_at
    ON rb_core_inbox_event FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""
KEEP = """
CREATE TRIGGER keep_bytes BEFORE UPDATE OF raw, digest, provider, kind, channel, event_key, received_at
    ON rb_core_inbox_event FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
CREATE TRIGGER keep_rows BEFORE DELETE OR TRUNCATE ON rb_core_payment
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
CREATE TRIGGER keep_names BEFORE UPDATE OF provider, payer_name ON rb_core_payment
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""
KEEP_NOT = """
DROP TRIGGER keep_names ON rb_core_payment;
DROP TRIGGER keep_rows ON rb_core_payment;
DROP TRIGGER keep_bytes ON rb_core_inbox_event;
"""
KINDS = """
UPDATE rb_core_provider_request
   SET kind = CASE kind WHEN 'stk_push' THEN 'charge' WHEN 'status_query' THEN 'query' WHEN 'reversal' THEN 'refund'
              ELSE kind END;
"""
KINDS_BACK = """
UPDATE rb_core_provider_request
   SET kind = CASE kind WHEN 'charge' THEN 'stk_push' WHEN 'query' THEN 'status_query' WHEN 'refund' THEN 'reversal'
              ELSE kind END;
"""
STATES = [
    ("received", "Received"), ("applied", "Applied"), ("unmatched", "Unmatched"), ("surplus", "Surplus"),
    ("duplicate", "Duplicate"), ("declined", "Declined"), ("refunding", "Refunding"), ("refunded", "Refunded"),
]
MOVED = [
    ("due_at", models.DateTimeField(null=True)),
    ("lease_until", models.DateTimeField(null=True)),
    ("fence", models.BigIntegerField(default=0)),
    ("attempts", models.IntegerField(default=0)),
    ("last_error", models.TextField(blank=True, default="")),
    ("receipt", models.CharField(max_length=64, null=True)),
    ("credits", models.BooleanField(default=False)),
    ("tx_ref", models.CharField(blank=True, default="", max_length=128)),
    ("phone", models.CharField(blank=True, default="", max_length=32)),
    ("occurred_at", models.DateTimeField(null=True)),
    ("intent_id", models.CharField(max_length=66, null=True)),
    ("amount_minor", models.BigIntegerField(default=0)),
    ("currency", models.CharField(blank=True, default="", max_length=3)),
    ("payer_name", models.CharField(blank=True, db_default="", default="", max_length=320)),
]


class Migration(migrations.Migration):
    # Adding and filling in one transaction; PostgreSQL refuses to alter a table with pending trigger events.
    dependencies = [("rb_core", "0003_payer_name"), ("controls", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Payment",
            fields=[
                ("due_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("fence", models.BigIntegerField(default=0)),
                ("attempts", models.IntegerField(default=0)),
                ("last_error", models.TextField(blank=True, default="")),
                (
                    "event",
                    models.OneToOneField(
                        db_column="id", on_delete=django.db.models.deletion.PROTECT, primary_key=True, serialize=False,
                        to="rb_core.inboxevent",
                    ),
                ),
                ("provider", models.CharField(max_length=16)),
                ("receipt", models.CharField(max_length=64, null=True)),
                ("credits", models.BooleanField(default=False)),
                ("tx_ref", models.CharField(blank=True, default="", max_length=128)),
                ("amount_minor", models.BigIntegerField(default=0)),
                ("currency", models.CharField(blank=True, default="", max_length=8)),
                ("phone", models.CharField(blank=True, default="", max_length=32)),
                ("payer_name", models.CharField(blank=True, default="", max_length=320)),
                ("occurred_at", models.DateTimeField(null=True)),
                ("state", models.CharField(choices=STATES, max_length=12)),
                ("intent_id", models.CharField(max_length=66, null=True)),
            ],
            options={"db_table": "rb_core_payment"},
        ),
        migrations.AddField("inboxevent", "kind", models.CharField(choices=[("payment", "Payment")], default="payment", max_length=16), preserve_default=False),
        migrations.RunSQL(MOVE, MOVE_BACK),
        # The foreign key's check of what was inserted, before the table is altered.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL IMMEDIATE"),
        migrations.RemoveConstraint("inboxevent", "inbox_receipt_once"),
        migrations.RemoveIndex("inboxevent", "inbox_due"),
        migrations.RemoveIndex("inboxevent", "inbox_unmatched"),
        migrations.RemoveIndex("inboxevent", "inbox_intent"),
        *[migrations.RemoveField("inboxevent", name) for name, _ in MOVED],
        migrations.AlterField("inboxevent", "state", models.CharField(choices=[("received", "Received"), ("processed", "Processed")], max_length=12)),
        migrations.AddConstraint("payment", models.UniqueConstraint(condition=Q(credits=True), fields=("provider", "receipt"), name="payment_receipt_once")),
        migrations.AddIndex("payment", models.Index(condition=Q(due_at__isnull=False), fields=["due_at"], name="payment_due")),
        migrations.AddIndex("payment", models.Index(condition=Q(state="unmatched"), fields=["tx_ref"], name="payment_unmatched")),
        migrations.AddIndex("payment", models.Index(condition=Q(intent_id__isnull=False), fields=["intent_id"], name="payment_intent")),
        migrations.RunSQL(KEEP, KEEP_NOT),
        migrations.RemoveConstraint("providerrequest", "request_reversal_once"),
        migrations.RemoveIndex("providerrequest", "request_to_note"),
        migrations.RunSQL(KINDS, KINDS_BACK),
        migrations.RenameField("providerrequest", "event", "payment"),
        migrations.AlterField("providerrequest", "payment", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="rb_core.payment")),
        migrations.AlterField("providerrequest", "currency", models.CharField(blank=True, default="", max_length=8)),
        migrations.AlterField(
            "providerrequest", "kind",
            models.CharField(choices=[("charge", "Charge"), ("query", "Query"), ("refund", "Refund"), ("transfer", "Transfer")], max_length=16),
        ),
        migrations.AddConstraint("providerrequest", models.UniqueConstraint(condition=Q(kind="refund") & ~Q(state="failed"), fields=("payment",), name="request_reversal_once")),
        migrations.AddIndex(
            "providerrequest",
            models.Index(
                fields=["id"],
                condition=Q(noted_at__isnull=True, settled_at__isnull=False)
                & (Q(kind="charge") | Q(kind="refund", intent_id__isnull=True)),
                name="request_to_note",
            ),
        ),
    ]
