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
INSERT INTO public.celery_taskmeta VALUES (1, 'moment', 'SUCCESS', '\x80059506000000000000004ac5f6076b2e', '2026-11-26 09:07:17.690547', NULL, 'shop.moment', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (21, 'python-set', 'SUCCESS', '\x80059509000000000000008f94284b014b02902e', '2026-11-26 09:07:20.92123', NULL, 'shop.value', '\x5b22736574225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (2, 'member-1', 'SUCCESS', '\x80059506000000000000004ac5f6076b2e', '2026-11-26 09:07:17.85994', NULL, 'shop.moment', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (3, 'member-2', 'SUCCESS', '\x80059506000000000000004ac6f6076b2e', '2026-11-26 09:07:18.119003', NULL, 'shop.moment', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (4, 'value-none', 'SUCCESS', NULL, '2026-11-26 09:07:18.314533', NULL, 'shop.value', '\x5b226e6f6e65225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (22, 'python-frozenset', 'SUCCESS', '\x8005950800000000000000288c01619491942e', '2026-11-26 09:07:21.047991', NULL, 'shop.value', '\x5b2266726f7a656e736574225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (5, 'value-true', 'SUCCESS', '\x8005882e', '2026-11-26 09:07:18.541751', NULL, 'shop.value', '\x5b2274727565225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (6, 'value-integer', 'SUCCESS', '\x80054b352e', '2026-11-26 09:07:18.764195', NULL, 'shop.value', '\x5b22696e7465676572225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (31, 'failed-system', 'FAILURE', '\x8005956a000000000000007d94288c086578635f74797065948c1146696c654e6f74466f756e644572726f72948c0b6578635f6d657373616765944b028c194e6f20737563682066696c65206f72206469726563746f72799486948c0a6578635f6d6f64756c65948c086275696c74696e7394752e', '2026-11-26 09:07:22.323025', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 412, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 704, in __protected_call__
    return self.run(*args, **kwargs)
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
FileNotFoundError: [Errno 2] No such file or directory: ''prices.csv''
', 'shop.fail', '\x5b2273797374656d225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (7, 'value-negative', 'SUCCESS', '\x80059506000000000000004affffffff2e', '2026-11-26 09:07:18.926647', NULL, 'shop.value', '\x5b226e65676174697665225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (23, 'python-aware', 'SUCCESS', '\x80059558000000000000008c086461746574696d65948c086461746574696d65949394430a07e8021d0c1e000000009468008c0874696d657a6f6e6594939468008c0974696d6564656c74619493944b004d201c4b008794529485945294869452942e', '2026-11-26 09:07:21.186331', NULL, 'shop.value', '\x5b226177617265225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (8, 'value-large', 'SUCCESS', '\x8005950e000000000000008a0b00000000000000000000012e', '2026-11-26 09:07:19.160802', NULL, 'shop.value', '\x5b226c61726765225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (9, 'value-float', 'SUCCESS', '\x8005950a00000000000000473fb999999999999a2e', '2026-11-26 09:07:19.324422', NULL, 'shop.value', '\x5b22666c6f6174225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (10, 'value-text', 'SUCCESS', '\x8005950d000000000000008c095a6fc3ab20f09f8c8d942e', '2026-11-26 09:07:19.442585', NULL, 'shop.value', '\x5b2274657874225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (24, 'python-time', 'SUCCESS', '\x80059522000000000000008c086461746574696d65948c0474696d6594939443060c1e0000000094859452942e', '2026-11-26 09:07:21.329459', NULL, 'shop.value', '\x5b2274696d65225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (11, 'value-empty', 'SUCCESS', '\x80059504000000000000008c00942e', '2026-11-26 09:07:19.562173', NULL, 'shop.value', '\x5b22656d707479225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (12, 'value-list', 'SUCCESS', '\x8005951b000000000000005d94284b015d94284b027d948c057468726565944b0373654e652e', '2026-11-26 09:07:19.690122', NULL, 'shop.value', '\x5b226c697374225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (33, 'failed-picky', 'FAILURE', '\x8005953e000000000000007d94288c086578635f74797065948c055069636b79948c0b6578635f6d657373616765944b0785948c0a6578635f6d6f64756c65948c0473686f7094752e', '2026-11-26 09:07:22.629408', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 412, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 704, in __protected_call__
    return self.run(*args, **kwargs)
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
shop.Picky: 7
', 'shop.fail', '\x5b227069636b79225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (13, 'value-dict', 'SUCCESS', '\x80059524000000000000007d94288c0161944b018c0162947d948c0163945d9428884740040000000000006573752e', '2026-11-26 09:07:19.825971', NULL, 'shop.value', '\x5b2264696374225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (25, 'python-timedelta', 'SUCCESS', '\x80059524000000000000008c086461746574696d65948c0974696d6564656c74619493944b014b024b00879452942e', '2026-11-26 09:07:21.476932', NULL, 'shop.value', '\x5b2274696d6564656c7461225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (14, 'value-bytes', 'SUCCESS', '\x800595070000000000000043038000ff942e', '2026-11-26 09:07:19.927121', NULL, 'shop.value', '\x5b226279746573225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (15, 'value-datetime', 'SUCCESS', '\x8005952a000000000000008c086461746574696d65948c086461746574696d65949394430a07e8021d0c1e0f0000fa94859452942e', '2026-11-26 09:07:20.050467', NULL, 'shop.value', '\x5b226461746574696d65225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (32, 'failed-own', 'FAILURE', '\x8005954b000000000000007d94288c086578635f74797065948c0a4f75744f6653746f636b948c0b6578635f6d657373616765948c056170706c65944b0386948c0a6578635f6d6f64756c65948c0473686f7094752e', '2026-11-26 09:07:22.456665', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 412, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 704, in __protected_call__
    return self.run(*args, **kwargs)
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
shop.OutOfStock: (''apple'', 3)
', 'shop.fail', '\x5b226f776e225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (16, 'value-date', 'SUCCESS', '\x80059520000000000000008c086461746574696d65948c0464617465949394430407e8021d94859452942e', '2026-11-26 09:07:20.171374', NULL, 'shop.value', '\x5b2264617465225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (26, 'python-complex', 'SUCCESS', '\x8005952e000000000000008c086275696c74696e73948c07636f6d706c6578949394473ff0000000000000474000000000000000869452942e', '2026-11-26 09:07:21.607204', NULL, 'shop.value', '\x5b22636f6d706c6578225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (17, 'value-decimal', 'SUCCESS', '\x80059522000000000000008c07646563696d616c948c07446563696d616c9493948c04312e313094859452942e', '2026-11-26 09:07:20.286612', NULL, 'shop.value', '\x5b22646563696d616c225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (18, 'value-uuid', 'SUCCESS', '\x80059520000000000000008c0475756964948c04555549449493942981947d948c03696e74944b0573622e', '2026-11-26 09:07:20.466568', NULL, 'shop.value', '\x5b2275756964225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (19, 'value-shared', 'SUCCESS', '\x80059513000000000000005d94285d948c0473616d65946168016801652e', '2026-11-26 09:07:20.640735', NULL, 'shop.value', '\x5b22736861726564225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (27, 'python-keys', 'SUCCESS', '\x80059515000000000000007d94284b014b0286948c0161944b038c016294752e', '2026-11-26 09:07:21.755166', NULL, 'shop.value', '\x5b226b657973225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (20, 'python-tuple', 'SUCCESS', '\x80059511000000000000004b014b028c05746872656594869486942e', '2026-11-26 09:07:20.792741', NULL, 'shop.value', '\x5b227475706c65225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (28, 'python-ordered', 'SUCCESS', '\x80059530000000000000008c0b636f6c6c656374696f6e73948c0b4f72646572656444696374949394295294288c0162944b018c0161944b02752e', '2026-11-26 09:07:21.929464', NULL, 'shop.value', '\x5b226f726465726564225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (29, 'failed-zero', 'FAILURE', '\x8005955f000000000000007d94288c086578635f74797065948c115a65726f4469766973696f6e4572726f72948c0b6578635f6d657373616765948c106469766973696f6e206279207a65726f9485948c0a6578635f6d6f64756c65948c086275696c74696e7394752e', '2026-11-26 09:07:22.07726', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 412, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 704, in __protected_call__
    return self.run(*args, **kwargs)
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
ZeroDivisionError: division by zero
', 'shop.fail', '\x5b227a65726f225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (30, 'failed-key', 'FAILURE', '\x8005954b000000000000007d94288c086578635f74797065948c084b65794572726f72948c0b6578635f6d657373616765948c056170706c659485948c0a6578635f6d6f64756c65948c086275696c74696e7394752e', '2026-11-26 09:07:22.217333', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 412, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 704, in __protected_call__
    return self.run(*args, **kwargs)
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
KeyError: ''apple''
', 'shop.fail', '\x5b226b6579225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (34, 'failed-empty', 'FAILURE', '\x80059544000000000000007d94288c086578635f74797065948c0a56616c75654572726f72948c0b6578635f6d65737361676594298c0a6578635f6d6f64756c65948c086275696c74696e7394752e', '2026-11-26 09:07:22.748381', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 412, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 704, in __protected_call__
    return self.run(*args, **kwargs)
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
ValueError
', 'shop.fail', '\x5b22656d707479225d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (35, 'arguments', 'SUCCESS', NULL, '2026-11-26 09:07:22.875569', NULL, 'shop.echo', '\x5b35332c20226170706c65225d', '\x7b226e616d65223a20225a6f5c7530306562222c20226c697374223a205b312c20322e352c206e756c6c5d7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (36, 'expired', 'REVOKED', '\x8005955e000000000000007d94288c086578635f74797065948c105461736b5265766f6b65644572726f72948c0b6578635f6d657373616765948c07657870697265649485948c0a6578635f6d6f64756c65948c1163656c6572792e657863657074696f6e7394752e', '2026-11-26 09:07:22.96462', NULL, 'shop.echo', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (37, 'first', 'SUCCESS', '\x80059506000000000000004acbf6076b2e', '2026-11-26 09:07:23.094145', NULL, 'shop.moment', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (38, 'retried', 'RETRY', '\x8005955c000000000000007d94288c086578635f74797065948c0c54696d656f75744572726f72948c0b6578635f6d657373616765948c127468652073686f7020697320636c6f7365649485948c0a6578635f6d6f64756c65948c086275696c74696e7394752e', '2026-11-26 09:07:23.214476', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 412, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/trace.py", line 704, in __protected_call__
    return self.run(*args, **kwargs)
  File "/tmp/celery-tables/shop.py", line 117, in again
    raise self.retry(exc=TimeoutError("the shop is closed"), countdown=86400)
  File "/tmp/celery-tables/celery-4.4.7/lib/python3.8/site-packages/celery/app/task.py", line 727, in retry
    raise ret
celery.exceptions.Retry: Retry in 86400s: TimeoutError(''the shop is closed'')
', 'shop.again', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (39, 'progress', 'PROGRESS', '\x80059515000000000000007d94288c04646f6e65944b038c026f66944b09752e', '2026-11-26 09:07:23.382634', NULL, 'shop.progress', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (40, 'second', 'SUCCESS', '\x80059506000000000000004acbf6076b2e', '2026-11-26 09:07:23.53761', NULL, 'shop.moment', '\x5b313739353638343034335d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_taskmeta VALUES (41, 'started', 'STARTED', '\x80059524000000000000007d94288c03706964944dd60d8c08686f73746e616d65948c086f6e65406865726594752e', NULL, NULL, 'shop.crash', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery');
INSERT INTO public.celery_tasksetmeta VALUES (1, 'group', '\x8005956a010000000000008c0f63656c6572792e6170702e62617365948c115f756e7069636b6c655f617070617474729493948c0b47726f7570526573756c74948c0567726f7570945d942868028c0b4173796e63526573756c7494288c086d656d6265722d31948c1463656c6572792e6261636b656e64732e62617365948c10756e7069636b6c655f6261636b656e649493948c1863656c6572792e6261636b656e64732e6461746162617365948c0f44617461626173654261636b656e64949394297d94288c056462757269948c32706f737467726573716c3a2f2f706f737467726573403132372e302e302e313a353433322f63656c6572795f7461626c6573948c0765787069726573948c086461746574696d65948c0974696d6564656c74619493944b014b004b00879452948c0e656e67696e655f6f7074696f6e73947d9475879452944e4e4e74948694529468026806288c086d656d6265722d3294681a4e4e4e749486945294658694869452942e', '2026-11-26 09:07:17.003445');
SELECT pg_catalog.setval('public.task_id_sequence', 41, true);
SELECT pg_catalog.setval('public.taskset_id_sequence', 1, true);
ALTER TABLE ONLY public.celery_taskmeta
    ADD CONSTRAINT celery_taskmeta_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.celery_taskmeta
    ADD CONSTRAINT celery_taskmeta_task_id_key UNIQUE (task_id);
ALTER TABLE ONLY public.celery_tasksetmeta
    ADD CONSTRAINT celery_tasksetmeta_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.celery_tasksetmeta
    ADD CONSTRAINT celery_tasksetmeta_taskset_id_key UNIQUE (taskset_id);
