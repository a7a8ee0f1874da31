from django.db import migrations, models

# Currencies of `kernel.currencies` when this was written, and the country tokens in use. Later ones are added at their
# first use, so nothing here needs to change.
RULES = """
INSERT INTO ledger_currency (code, scale) VALUES
    ('KES', 2), ('UGX', 0), ('TZS', 2), ('RWF', 0), ('NGN', 2), ('GHS', 2), ('ZAR', 2), ('ETB', 2), ('USD', 2),
    ('EUR', 2), ('GBP', 2), ('USDC', 6), ('SOL', 9);
INSERT INTO ledger_currency (code, scale)
SELECT DISTINCT currency, 18 FROM ledger_account WHERE currency ~ '^[A-Z]{3}[.]token$';

-- Postings are held to the currency of their account (check_postings), so this holds them to the table.
ALTER TABLE ledger_account ADD CONSTRAINT ledger_account_currency_known
    FOREIGN KEY (currency) REFERENCES ledger_currency (code);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_currency
    FOR EACH STATEMENT EXECUTE FUNCTION controls_refuse_change();
"""

UNDO = """
DROP TRIGGER append_only ON ledger_currency;
ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_currency_known;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Currency',
            fields=[
                ('code', models.CharField(max_length=16, primary_key=True, serialize=False)),
                ('scale', models.SmallIntegerField()),
            ],
            options={
                'db_table': 'ledger_currency',
            },
        ),
        migrations.RunSQL(RULES, UNDO),
    ]
