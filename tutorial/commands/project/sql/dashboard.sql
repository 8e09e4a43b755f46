-- PostgreSQL: what a dashboard watches, run as myproject_analyst:
--   psql "$ANALYST_URL" --file=sql/dashboard.sql
-- ANALYST_URL is a URL without +psycopg, which only SQLAlchemy understands.
-- date_done has no time zone: it is in that of the worker's session. sql/roles.sql gives both roles
-- the same zone, so each query can compare it with the current time of its own session.

\echo 'Tasks of the last hour by state'
SELECT status, count(*) AS tasks
FROM celery_taskmeta
WHERE date_done > LOCALTIMESTAMP - interval '1 hour'
GROUP BY status ORDER BY tasks DESC;

\echo 'Failures of the last hour by task: an alarm if one task fails often'
SELECT name, count(*) AS failures, max(date_done) AS last_failure
FROM celery_taskmeta
WHERE status = 'FAILURE' AND date_done > LOCALTIMESTAMP - interval '1 hour'
GROUP BY name ORDER BY failures DESC;

\echo 'Minutes since the last result: an alarm if your tasks never pause for that long'
SELECT round(extract(epoch FROM LOCALTIMESTAMP - max(date_done)) / 60, 1) AS minutes
FROM celery_taskmeta;

\echo 'Results that should have been deleted: an alarm if the retention job has not run'
SELECT count(*) AS expired
FROM celery_taskmeta
WHERE date_done < LOCALTIMESTAMP - interval '31 days';

\echo 'Tasks that take longer than an hour: an alarm if none of yours may'
SELECT count(*) AS tasks
FROM celery_taskmeta
WHERE status NOT IN ('SUCCESS', 'FAILURE', 'REVOKED') AND (
    date_done < LOCALTIMESTAMP - interval '1 hour'
    OR date_done IS NULL AND id < (
        SELECT max(id) FROM celery_taskmeta WHERE date_done < LOCALTIMESTAMP - interval '1 hour'));

\echo 'Results from the future: an alarm if a session has another time zone'
SELECT count(*) AS results
FROM celery_taskmeta
WHERE date_done > LOCALTIMESTAMP + interval '5 minutes';

\echo 'Share of the ids used, in percent: the column id ends at 2,147,483,647'
SELECT round(100.0 * coalesce(max(id), 0) / 2147483647, 3) AS percent FROM celery_taskmeta;
