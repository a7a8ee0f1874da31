"""A payment may be sent back in parts: what the refunds that were not refused add up to stays within the payment."""

from django.db import migrations

FORWARD = """
-- Two refunds at once see each other, because both lock the payment first. The application does so too, before it locks
-- any request; a refund that comes back to life (refused, then done after all) is locked in that order as well.
CREATE FUNCTION rb_core_refund_within_payment() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    paid bigint;
    returned numeric;
BEGIN
    SELECT amount_minor INTO paid FROM rb_core_payment WHERE id = NEW.payment_id FOR UPDATE;
    SELECT coalesce(sum(amount_minor), 0) INTO returned FROM rb_core_provider_request
     WHERE payment_id = NEW.payment_id AND kind = 'refund' AND state <> 'failed' AND id <> NEW.id;
    IF NEW.payment_id IS NULL OR NEW.amount_minor < 0 OR returned + NEW.amount_minor > paid THEN
        RAISE EXCEPTION 'refund % of payment % exceeds what was paid: % returned, % paid',
            NEW.amount_minor, NEW.payment_id, returned, paid USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refund_within_payment BEFORE INSERT ON rb_core_provider_request
    FOR EACH ROW WHEN (NEW.kind = 'refund' AND NEW.state <> 'failed')
    EXECUTE FUNCTION rb_core_refund_within_payment();
CREATE TRIGGER refund_revived_within_payment BEFORE UPDATE OF state, amount_minor ON rb_core_provider_request
    FOR EACH ROW WHEN (NEW.kind = 'refund' AND NEW.state <> 'failed'
                       AND (OLD.state = 'failed' OR OLD.amount_minor <> NEW.amount_minor))
    EXECUTE FUNCTION rb_core_refund_within_payment();
"""
BACKWARD = """
DROP TRIGGER refund_revived_within_payment ON rb_core_provider_request;
DROP TRIGGER refund_within_payment ON rb_core_provider_request;
DROP FUNCTION rb_core_refund_within_payment;
"""


class Migration(migrations.Migration):
    dependencies = [("rb_core", "0004_payments")]
    operations = [
        migrations.RemoveConstraint("providerrequest", "request_reversal_once"),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
