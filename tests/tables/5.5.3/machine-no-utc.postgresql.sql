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
    name character varying(155),
    args bytea,
    kwargs bytea,
    worker character varying(155),
    retries integer,
    queue character varying(155)
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
INSERT INTO public.celery_taskmeta VALUES (1, 'moment', 'STARTED', '\x80059524000000000000007d94288c03706964944d625f8c08686f73746e616d65948c086f6e65406865726594752e', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.celery_tasksetmeta VALUES (1, 'group', '\x8005956a010000000000008c0f63656c6572792e6170702e62617365948c115f756e7069636b6c655f617070617474729493948c0b47726f7570526573756c74948c0567726f7570945d942868028c0b4173796e63526573756c7494288c086d656d6265722d31948c1463656c6572792e6261636b656e64732e62617365948c10756e7069636b6c655f6261636b656e649493948c1863656c6572792e6261636b656e64732e6461746162617365948c0f44617461626173654261636b656e64949394297d94288c056462757269948c32706f737467726573716c3a2f2f706f737467726573403132372e302e302e313a353433322f63656c6572795f7461626c6573948c0765787069726573948c086461746574696d65948c0974696d6564656c74619493944b014b004b00879452948c0e656e67696e655f6f7074696f6e73947d9475879452944e4e4e74948694529468026806288c086d656d6265722d3294681a4e4e4e749486945294658694869452942e', '2026-11-26 09:27:12.418466');
SELECT pg_catalog.setval('public.task_id_sequence', 1, true);
SELECT pg_catalog.setval('public.taskset_id_sequence', 1, true);
ALTER TABLE ONLY public.celery_taskmeta
    ADD CONSTRAINT celery_taskmeta_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.celery_taskmeta
    ADD CONSTRAINT celery_taskmeta_task_id_key UNIQUE (task_id);
ALTER TABLE ONLY public.celery_tasksetmeta
    ADD CONSTRAINT celery_tasksetmeta_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.celery_tasksetmeta
    ADD CONSTRAINT celery_tasksetmeta_taskset_id_key UNIQUE (taskset_id);
