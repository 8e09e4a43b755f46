SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.celery_taskmeta (
    id integer NOT NULL,
    task_id character varying(155),
    status character varying(50),
    result bytea,
    date_done timestamp without time zone,
    traceback text,
    children bytea,
    name character varying(155),
    args bytea,
    kwargs bytea,
    worker character varying(155),
    retries integer,
    queue character varying(155),
    stamps bytea
);
CREATE TABLE public.celery_tasksetmeta (
    id integer NOT NULL,
    taskset_id character varying(155),
    result bytea,
    date_done timestamp without time zone
);
CREATE SEQUENCE public.task_id_sequence
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE SEQUENCE public.taskset_id_sequence
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
INSERT INTO public.celery_taskmeta VALUES (1, 'moment', 'SUCCESS', '\x31373935363836343234', '2026-11-26 09:47:04.83675', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.celery_taskmeta VALUES (2, 'member-1', 'SUCCESS', '\x31373935363836343234', '2026-11-26 09:47:05.046452', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.celery_taskmeta VALUES (3, 'member-2', 'SUCCESS', '\x31373935363836343235', '2026-11-26 09:47:05.169967', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.celery_taskmeta VALUES (4, 'started', 'STARTED', '\x7b22706964223a2031383635322c2022686f73746e616d65223a20226f6e654068657265227d', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.celery_tasksetmeta VALUES (1, 'group', '\x5b5b2267726f7570222c206e756c6c5d2c205b5b5b226d656d6265722d31222c206e756c6c5d2c206e756c6c5d2c205b5b226d656d6265722d32222c206e756c6c5d2c206e756c6c5d5d5d', '2026-11-26 09:47:04.026289');
SELECT pg_catalog.setval('public.task_id_sequence', 4, true);
SELECT pg_catalog.setval('public.taskset_id_sequence', 1, true);
ALTER TABLE ONLY public.celery_taskmeta
    ADD CONSTRAINT celery_taskmeta_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.celery_taskmeta
    ADD CONSTRAINT celery_taskmeta_task_id_key UNIQUE (task_id);
ALTER TABLE ONLY public.celery_tasksetmeta
    ADD CONSTRAINT celery_tasksetmeta_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.celery_tasksetmeta
    ADD CONSTRAINT celery_tasksetmeta_taskset_id_key UNIQUE (taskset_id);
CREATE INDEX ix_celery_taskmeta_date_done ON public.celery_taskmeta USING btree (date_done);
CREATE INDEX ix_celery_tasksetmeta_date_done ON public.celery_tasksetmeta USING btree (date_done);
