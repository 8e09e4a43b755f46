-- PostgreSQL: what a dashboard watches, run as myproject_analyst:
--   psql "$ANALYST_URL" --file=sql/dashboard.sql
-- date_done is in UTC without a zone, so each query compares it with the present time in UTC,
-- whatever the zone of the session or the database is.

\echo 'Tasks of the last hour by state'
SELECT status, count(*) AS tasks
FROM celery_taskmeta
WHERE date_done > (now() AT TIME ZONE 'UTC') - interval '1 hour'
GROUP BY status ORDER BY tasks DESC;

\echo 'Failures of the last hour by task: an alarm if one task fails often'
SELECT name, count(*) AS failures, max(date_done) AS last_failure
FROM celery_taskmeta
WHERE status = 'FAILURE' AND date_done > (now() AT TIME ZONE 'UTC') - interval '1 hour'
GROUP BY name ORDER BY failures DESC;

\echo 'Minutes since the last result: an alarm if your tasks never pause for so long'
SELECT round(extract(epoch FROM (now() AT TIME ZONE 'UTC') - max(date_done)) / 60, 1) AS minutes
FROM celery_taskmeta;

\echo 'Results that should have been deleted: an alarm if the retention job has not run'
SELECT count(*) AS expired
FROM celery_taskmeta
WHERE date_done < (now() AT TIME ZONE 'UTC') - interval '31 days';

\echo 'Share of the ids used, in percent: the column id ends at 2,147,483,647'
SELECT round(100.0 * last_value / 2147483647, 3) AS percent FROM task_id_sequence;
