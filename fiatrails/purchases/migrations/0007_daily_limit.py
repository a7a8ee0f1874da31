"""A purchase knows the day whose limit it takes from.

Until now a purchase that expired, was paid late and refunded gave back twice what it took, and one that was accepted
late took nothing. So the sums are counted again from the purchases that take part.
"""

from django.db import migrations, models


_TAKE = """
UPDATE purchases_purchase SET limit_day = (created_at AT TIME ZONE 'UTC')::date
WHERE state NOT IN ('expired', 'cancelled', 'failed', 'refunded') AND NOT (state = 'held' AND hold = 'late_payment')
"""
_COUNT = """
UPDATE purchases_daily_usage u SET total = coalesce((
    SELECT sum(d.amount) FROM purchases_delivery d JOIN purchases_purchase p ON p.id = d.purchase_id
    WHERE d.recipient = u."user" AND p.limit_day = u.day), 0)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('purchases', '0006_price'),
    ]

    operations = [
        migrations.AddField(
            model_name='purchase',
            name='limit_day',
            field=models.DateField(null=True),
        ),
        migrations.RunSQL(_TAKE, migrations.RunSQL.noop),
        migrations.RunSQL(_COUNT, migrations.RunSQL.noop),
        # PostgreSQL alters no table whose deferred checks are pending.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name='dailyusage',
            constraint=models.CheckConstraint(condition=models.Q(('total__gte', 0)), name='daily_usage_not_negative'),
        ),
    ]
