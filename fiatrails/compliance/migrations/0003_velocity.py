"""Rolling windows in the database: what was used is counted, judged and recorded under one lock, in one round trip."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations, models

FUNCTIONS = r"""
-- A row may be marked as released, once; what it counted is never rewritten.
CREATE FUNCTION compliance_velocity_keep() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.released_at IS NOT NULL OR NEW.released_at IS NULL
       OR (OLD.digest, OLD.running_count, OLD.running_amount, OLD.intent_id, OLD.meter, OLD.amount, OLD.at)
          IS DISTINCT FROM
          (NEW.digest, NEW.running_count, NEW.running_amount, NEW.intent_id, NEW.meter, NEW.amount, NEW.at) THEN
        RAISE EXCEPTION 'a velocity usage can be released once, and not be changed otherwise'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep BEFORE UPDATE ON compliance_velocity_usage
    FOR EACH ROW EXECUTE FUNCTION compliance_velocity_keep();

-- Appends entries to the chains of their digests. The caller holds the locks of these digests. A clock that went back
-- must not put a row before the last one of its chain: it is dated as the last one, so it counts longer, never shorter.
CREATE FUNCTION compliance_velocity_record(
    p_now timestamptz, p_intents text[], p_meters text[], p_digests bytea[], p_amounts numeric[]
) RETURNS void
LANGUAGE sql VOLATILE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    INSERT INTO compliance_velocity_usage
        (digest, running_count, running_amount, intent_id, meter, amount, at)
    SELECT e.digest,
           coalesce(last.running_count, 0) + row_number() OVER chain,
           coalesce(last.running_amount, 0) + sum(e.amount) OVER chain,
           e.intent_id, e.meter, e.amount, greatest(p_now, last.at)
      FROM unnest(p_intents, p_meters, p_digests, p_amounts)
           WITH ORDINALITY AS e (intent_id, meter, digest, amount, place)
      LEFT JOIN LATERAL (
           SELECT u.running_count, u.running_amount, u.at FROM compliance_velocity_usage u
            WHERE u.digest = e.digest ORDER BY u.running_count DESC LIMIT 1) last ON true
    WINDOW chain AS (PARTITION BY e.digest ORDER BY e.place)
$$;

-- What has been used. Gauges: the windows to look at, one per subject and rule, numbered from 1; a gauge is named in
-- several rows when former keys of the digests are still to be read. `fresh`: by entry, whether it is not counted yet;
-- `counts` and `amounts`: by gauge. Volatile, so that each call from another function looks anew.
CREATE FUNCTION compliance_velocity_look(
    p_intents text[], p_meters text[], p_gauges integer[], p_gauge_digests bytea[], p_since timestamptz[],
    OUT fresh boolean[], OUT counts numeric[], OUT amounts numeric[]
)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    -- Each subquery has a LIMIT or an order that one index alone can give: the plan does not hang on statistics, which
    -- a young table has not got. As an anti-join the first would read the whole index for every batch.
    SELECT array_agg(known.yes IS NULL ORDER BY e.place) INTO fresh
      FROM unnest(p_intents, p_meters) WITH ORDINALITY AS e (intent_id, meter, place)
      LEFT JOIN LATERAL (
           SELECT true AS yes FROM compliance_velocity_usage u
            WHERE u.intent_id = e.intent_id AND u.meter = e.meter AND u.released_at IS NULL LIMIT 1) known ON true;

    SELECT array_agg(used.n ORDER BY used.gauge), array_agg(used.total ORDER BY used.gauge) INTO counts, amounts
      FROM (SELECT g.gauge, sum(coalesce(live.n, 0)) AS n, sum(coalesce(live.total, 0)) AS total
              FROM unnest(p_gauges, p_gauge_digests, p_since) AS g (gauge, digest, since)
              LEFT JOIN LATERAL (
                   SELECT last.running_count - first.running_count + 1 - gone.n AS n,
                          last.running_amount - first.running_amount + first.amount - gone.total AS total
                     FROM (SELECT u.running_count, u.running_amount, u.amount FROM compliance_velocity_usage u
                            WHERE u.digest = g.digest AND u.at > g.since
                            ORDER BY u.at, u.running_count LIMIT 1) first,
                          LATERAL (SELECT u.running_count, u.running_amount FROM compliance_velocity_usage u
                            WHERE u.digest = g.digest ORDER BY u.running_count DESC LIMIT 1) last,
                          LATERAL (SELECT count(*) AS n, coalesce(sum(back.amount), 0) AS total
                             FROM (SELECT u.amount FROM compliance_velocity_usage u
                                    WHERE u.digest = g.digest AND u.at > g.since AND u.released_at IS NOT NULL
                                    ORDER BY u.at, u.released_at OFFSET 0) back) gone
                   ) live ON true
             GROUP BY g.gauge) used;
END
$$;

-- Entries: what is asked to be counted. Rooms, by gauge: what may have been used before if all of the entries are to
-- fit; null where a rule has no such limit.
-- Records everything and says so when all of it fits together; otherwise records nothing, keeps the locks, and leaves
-- it to the caller to judge one by one and to record what it admits.
CREATE FUNCTION compliance_velocity_admit(
    p_now timestamptz,
    p_intents text[], p_meters text[], p_digests bytea[], p_amounts numeric[],
    p_gauges integer[], p_gauge_digests bytea[], p_since timestamptz[],
    p_room_counts numeric[], p_room_amounts numeric[],
    OUT recorded boolean, OUT fresh boolean[], OUT counts numeric[], OUT amounts numeric[]
)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- An older snapshot would not show what the previous holder of the locks has just committed.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'velocity limits need READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;

    -- The server's table of locks is shared by all sessions and small, and a batch has hundreds of subjects: beyond a
    -- few of them the whole is locked, first come, first served. Everybody takes the whole before a part, and parts in
    -- ascending order, so that no two callers can wait for each other.
    IF (SELECT count(DISTINCT d) FROM unnest(p_digests) AS d) > 16 THEN
        PERFORM pg_advisory_xact_lock(4713, 0);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(4713, 0);
        PERFORM pg_advisory_xact_lock(4714, parts.part)
           FROM (SELECT DISTINCT hashtext(encode(d, 'hex')) AS part FROM unnest(p_digests) AS d ORDER BY part) AS parts;
    END IF;

    SELECT seen.fresh, seen.counts, seen.amounts INTO fresh, counts, amounts
      FROM compliance_velocity_look(p_intents, p_meters, p_gauges, p_gauge_digests, p_since) AS seen;
    recorded := NOT EXISTS (
        SELECT FROM unnest(counts, amounts, p_room_counts, p_room_amounts) AS g (n, total, room_n, room_total)
         WHERE g.n > g.room_n OR g.total > g.room_total);
    IF recorded AND true = ANY (fresh) THEN
        PERFORM compliance_velocity_record(
                    p_now, array_agg(e.intent_id ORDER BY e.place), array_agg(e.meter ORDER BY e.place),
                    array_agg(e.digest ORDER BY e.place), array_agg(e.amount ORDER BY e.place))
           FROM unnest(p_intents, p_meters, p_digests, p_amounts, fresh)
                WITH ORDINALITY AS e (intent_id, meter, digest, amount, fresh, place)
          WHERE e.fresh;
    END IF;
END
$$;
"""
UNDO = """
DROP TRIGGER keep ON compliance_velocity_usage;
DROP FUNCTION compliance_velocity_admit, compliance_velocity_look, compliance_velocity_record, compliance_velocity_keep;
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0002_append_only")]
    operations = [
        migrations.CreateModel(
            name="VelocityUsage",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "digest", "running_count", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.BinaryField(max_length=16)),
                ("running_count", models.BigIntegerField()),
                ("running_amount", models.DecimalField(decimal_places=0, max_digits=78)),
                ("intent_id", models.CharField(max_length=66)),
                ("meter", models.CharField(max_length=16)),
                ("amount", models.DecimalField(decimal_places=0, max_digits=78)),
                ("at", models.DateTimeField()),
                ("released_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "compliance_velocity_usage",
                "indexes": [
                    models.Index(fields=["digest", "at", "running_count"], name="velocity_window"),
                    models.Index(
                        condition=models.Q(("released_at__isnull", False)),
                        fields=["digest", "at", "released_at"],
                        name="velocity_released",
                    ),
                    BrinIndex(fields=["at"], name="velocity_age"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("released_at__isnull", True)),
                        fields=("intent_id", "meter"),
                        name="velocity_counted_once",
                    ),
                    models.CheckConstraint(condition=models.Q(("amount__gte", 0)), name="velocity_amount"),
                ],
            },
        ),
        migrations.RunSQL(FUNCTIONS, UNDO),
    ]
