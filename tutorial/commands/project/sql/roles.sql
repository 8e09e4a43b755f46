-- PostgreSQL: who may do what. Run once, when all tables exist (see README.md), as a superuser, or
-- as the owner of the tables if that role also has CREATEROLE:
--   psql "$ADMIN_URL" --single-transaction --set=ON_ERROR_STOP=1 --file=sql/roles.sql
-- ADMIN_URL is a URL without +psycopg, which only SQLAlchemy understands.
-- Then give each role a password: \password myproject_worker

CREATE ROLE myproject_worker LOGIN;
CREATE ROLE myproject_analyst LOGIN;

-- The worker stores results and works on the project's own tables; it may not change a table.
GRANT SELECT, INSERT, UPDATE, DELETE ON celery_taskmeta, celery_tasksetmeta, orders TO myproject_worker;
GRANT USAGE ON SEQUENCE task_id_sequence, taskset_id_sequence, orders_id_seq TO myproject_worker;

-- The analyst reads. A role that may write to celery_taskmeta could plant a pickle, which Celery's
-- own reader would run.
GRANT SELECT ON celery_taskmeta, celery_tasksetmeta TO myproject_analyst;

-- date_done has no time zone, so every session must use the same one.
ALTER ROLE myproject_worker SET timezone TO 'UTC';
ALTER ROLE myproject_analyst SET timezone TO 'UTC';
