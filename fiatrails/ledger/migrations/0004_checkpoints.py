import django.db.models.deletion
from django.db import migrations, models

RULES = """
-- Adds what has moved since the last checkpoint to the balances that the accounts had. Runs inside close_entry, under
-- the lock of the chains, so nothing is linked meanwhile. Rows are only ever added: a balance that is updated in place
-- would leave a dead version for each entry for as long as a backup holds its snapshot.
CREATE FUNCTION ledger_add_checkpoint() RETURNS trigger
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    since bigint;
BEGIN
    SELECT coalesce(max(seq), 0) INTO since FROM ledger_checkpoint;
    INSERT INTO ledger_checkpoint (account_id, seq, balance)
    SELECT moved.account_id, NEW.seq, moved.amount + coalesce((
        SELECT before.balance FROM ledger_checkpoint before
        WHERE before.account_id = moved.account_id ORDER BY before.seq DESC LIMIT 1), 0)
    FROM (
        SELECT posting.account_id, sum(posting.amount) AS amount
        FROM ledger_chain link JOIN ledger_posting posting ON posting.entry_id = link.entry_id
        WHERE link.seq > since AND link.seq <= NEW.seq
        GROUP BY posting.account_id
    ) moved;
    RETURN NULL;
END
$$;

-- One statement sees one instant, in which no link is missing before another; what is linked afterwards is the tail.
INSERT INTO ledger_checkpoint (account_id, seq, balance)
SELECT posting.account_id, (SELECT max(seq) FROM ledger_chain), sum(posting.amount)
FROM ledger_posting posting JOIN ledger_chain link ON link.entry_id = posting.entry_id
GROUP BY posting.account_id;

CREATE TRIGGER add_checkpoint AFTER INSERT ON ledger_chain
    FOR EACH ROW WHEN (NEW.seq % 512 = 0) EXECUTE FUNCTION ledger_add_checkpoint();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""

UNDO = """
DROP TRIGGER append_only ON ledger_checkpoint;
DROP TRIGGER add_checkpoint ON ledger_chain;
DROP FUNCTION ledger_add_checkpoint;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0003_kinds_in_the_chart'),
    ]

    operations = [
        migrations.CreateModel(
            name='Checkpoint',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'seq', blank=True, editable=False, primary_key=True, serialize=False)),
                ('seq', models.BigIntegerField()),
                ('balance', models.DecimalField(decimal_places=0, max_digits=100)),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, to='ledger.account')),
            ],
            options={
                'db_table': 'ledger_checkpoint',
                'indexes': [models.Index(fields=['seq'], name='ledger_checkpoint_seq')],
            },
        ),
        migrations.RunSQL(RULES, UNDO),
    ]
