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
INSERT INTO public.celery_taskmeta VALUES (1, 'moment', 'SUCCESS', '\x31373935363836323930', '2026-11-26 09:44:50.974001', NULL, NULL, 'shop.moment', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (2, 'member-1', 'SUCCESS', '\x31373935363836323931', '2026-11-26 09:44:51.14314', NULL, NULL, 'shop.moment', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (3, 'member-2', 'SUCCESS', '\x31373935363836323931', '2026-11-26 09:44:51.324257', NULL, NULL, 'shop.moment', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (4, 'value-none', 'SUCCESS', '\x6e756c6c', '2026-11-26 09:44:51.729427', NULL, NULL, 'shop.value', '\x5b226e6f6e65225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (5, 'value-true', 'SUCCESS', '\x74727565', '2026-11-26 09:44:51.925719', NULL, NULL, 'shop.value', '\x5b2274727565225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (6, 'value-integer', 'SUCCESS', '\x3533', '2026-11-26 09:44:52.033722', NULL, NULL, 'shop.value', '\x5b22696e7465676572225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (7, 'value-negative', 'SUCCESS', '\x2d31', '2026-11-26 09:44:52.115712', NULL, NULL, 'shop.value', '\x5b226e65676174697665225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (8, 'value-large', 'SUCCESS', '\x31323038393235383139363134363239313734373036313736', '2026-11-26 09:44:52.235473', NULL, NULL, 'shop.value', '\x5b226c61726765225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (9, 'value-float', 'SUCCESS', '\x302e31', '2026-11-26 09:44:52.372878', NULL, NULL, 'shop.value', '\x5b22666c6f6174225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (10, 'value-text', 'SUCCESS', '\x225a6f5c7530306562205c75643833635c756466306422', '2026-11-26 09:44:52.427094', NULL, NULL, 'shop.value', '\x5b2274657874225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (11, 'value-empty', 'SUCCESS', '\x2222', '2026-11-26 09:44:52.52965', NULL, NULL, 'shop.value', '\x5b22656d707479225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (12, 'value-list', 'SUCCESS', '\x5b312c205b322c207b227468726565223a20337d5d2c206e756c6c5d', '2026-11-26 09:44:52.620661', NULL, NULL, 'shop.value', '\x5b226c697374225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (13, 'value-dict', 'SUCCESS', '\x7b2261223a20312c202262223a207b2263223a205b747275652c20322e355d7d7d', '2026-11-26 09:44:52.848816', NULL, NULL, 'shop.value', '\x5b2264696374225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (14, 'value-bytes', 'SUCCESS', '\x7b225f5f747970655f5f223a2022626173653634222c20225f5f76616c75655f5f223a20226741442f227d', '2026-11-26 09:44:53.05272', NULL, NULL, 'shop.value', '\x5b226279746573225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (15, 'value-datetime', 'SUCCESS', '\x7b225f5f747970655f5f223a20226461746574696d65222c20225f5f76616c75655f5f223a2022323032342d30322d32395431323a33303a31352e303030323530227d', '2026-11-26 09:44:53.164811', NULL, NULL, 'shop.value', '\x5b226461746574696d65225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (16, 'value-date', 'SUCCESS', '\x7b225f5f747970655f5f223a202264617465222c20225f5f76616c75655f5f223a2022323032342d30322d3239227d', '2026-11-26 09:44:53.364704', NULL, NULL, 'shop.value', '\x5b2264617465225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (17, 'value-decimal', 'SUCCESS', '\x7b225f5f747970655f5f223a2022646563696d616c222c20225f5f76616c75655f5f223a2022312e3130227d', '2026-11-26 09:44:53.49468', NULL, NULL, 'shop.value', '\x5b22646563696d616c225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (18, 'value-uuid', 'SUCCESS', '\x7b225f5f747970655f5f223a202275756964222c20225f5f76616c75655f5f223a207b22686578223a20223030303030303030303030303030303030303030303030303030303030303035227d7d', '2026-11-26 09:44:53.575952', NULL, NULL, 'shop.value', '\x5b2275756964225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (19, 'value-shared', 'SUCCESS', '\x5b5b2273616d65225d2c205b2273616d65225d2c205b2273616d65225d5d', '2026-11-26 09:44:53.738021', NULL, NULL, 'shop.value', '\x5b22736861726564225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (20, 'python-tuple', 'SUCCESS', '\x5b312c205b322c20227468726565225d5d', '2026-11-26 09:44:53.899189', NULL, NULL, 'shop.value', '\x5b227475706c65225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (21, 'python-set', 'FAILURE', '\x7b226578635f74797065223a2022456e636f64654572726f72222c20226578635f6d657373616765223a205b22547970654572726f7228274f626a656374206f66207479706520736574206973206e6f74204a534f4e2073657269616c697a61626c652729225d2c20226578635f6d6f64756c65223a20226b6f6d62752e657863657074696f6e73227d', '2026-11-26 09:44:54.155315', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 41, in _reraise_errors
    yield
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 220, in dumps
    payload = encoder(data)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 63, in dumps
    return _dumps(s, cls=cls, **dict(default_kwargs, **kwargs))
  File "/usr/lib/python3.13/json/__init__.py", line 238, in dumps
    **kw).encode(obj)
          ~~~~~~^^^^^
  File "/usr/lib/python3.13/json/encoder.py", line 200, in encode
    chunks = self.iterencode(o, _one_shot=True)
  File "/usr/lib/python3.13/json/encoder.py", line 261, in iterencode
    return _iterencode(o, 0)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 47, in default
    return super().default(o)
           ~~~~~~~~~~~~~~~^^^
  File "/usr/lib/python3.13/json/encoder.py", line 180, in default
    raise TypeError(f''Object of type {o.__class__.__name__} ''
                    f''is not JSON serializable'')
TypeError: Object of type set is not JSON serializable
During handling of the above exception, another exception occurred:
Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 606, in trace_task
    task.backend.mark_as_done(
    ~~~~~~~~~~~~~~~~~~~~~~~~~^
        uuid, retval, task_request, publish_result,
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    )
    ^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 294, in mark_as_done
    self.store_result(task_id, result, state, request=request)
    ~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 873, in store_result
    self._ensure_retryable(
    ~~~~~~~~~~~~~~~~~~~~~~^
        self._store_result,
        ^^^^^^^^^^^^^^^^^^^
    ...<4 lines>...
        **kwargs
        ^^^^^^^^
    )
    ^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 833, in _ensure_retryable
    return func(*args, **kwargs)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/database/__init__.py", line 192, in _store_result
    self._update_result(task, result, state, traceback=traceback, request=request)
    ~~~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/database/__init__.py", line 202, in _update_result
    meta = self._get_result_meta(result=ensure_bytes(self.encode(result)), state=state,
                                                     ~~~~~~~~~~~^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 694, in encode
    _, _, payload = self._encode(data)
                    ~~~~~~~~~~~~^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 700, in _encode
    return dumps(data, serializer=self.serializer)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 219, in dumps
    with _reraise_errors(EncodeError):
         ~~~~~~~~~~~~~~~^^^^^^^^^^^^^
  File "/usr/lib/python3.13/contextlib.py", line 162, in __exit__
    self.gen.throw(value)
    ~~~~~~~~~~~~~~^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 45, in _reraise_errors
    reraise(wrapper, wrapper(exc), sys.exc_info()[2])
    ~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/exceptions.py", line 34, in reraise
    raise value.with_traceback(tb)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 41, in _reraise_errors
    yield
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 220, in dumps
    payload = encoder(data)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 63, in dumps
    return _dumps(s, cls=cls, **dict(default_kwargs, **kwargs))
  File "/usr/lib/python3.13/json/__init__.py", line 238, in dumps
    **kw).encode(obj)
          ~~~~~~^^^^^
  File "/usr/lib/python3.13/json/encoder.py", line 200, in encode
    chunks = self.iterencode(o, _one_shot=True)
  File "/usr/lib/python3.13/json/encoder.py", line 261, in iterencode
    return _iterencode(o, 0)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 47, in default
    return super().default(o)
           ~~~~~~~~~~~~~~~^^^
  File "/usr/lib/python3.13/json/encoder.py", line 180, in default
    raise TypeError(f''Object of type {o.__class__.__name__} ''
                    f''is not JSON serializable'')
kombu.exceptions.EncodeError: Object of type set is not JSON serializable
', NULL, 'shop.value', '\x5b22736574225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (22, 'python-frozenset', 'FAILURE', '\x7b226578635f74797065223a2022456e636f64654572726f72222c20226578635f6d657373616765223a205b22547970654572726f7228274f626a656374206f6620747970652066726f7a656e736574206973206e6f74204a534f4e2073657269616c697a61626c652729225d2c20226578635f6d6f64756c65223a20226b6f6d62752e657863657074696f6e73227d', '2026-11-26 09:44:54.368674', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 41, in _reraise_errors
    yield
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 220, in dumps
    payload = encoder(data)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 63, in dumps
    return _dumps(s, cls=cls, **dict(default_kwargs, **kwargs))
  File "/usr/lib/python3.13/json/__init__.py", line 238, in dumps
    **kw).encode(obj)
          ~~~~~~^^^^^
  File "/usr/lib/python3.13/json/encoder.py", line 200, in encode
    chunks = self.iterencode(o, _one_shot=True)
  File "/usr/lib/python3.13/json/encoder.py", line 261, in iterencode
    return _iterencode(o, 0)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 47, in default
    return super().default(o)
           ~~~~~~~~~~~~~~~^^^
  File "/usr/lib/python3.13/json/encoder.py", line 180, in default
    raise TypeError(f''Object of type {o.__class__.__name__} ''
                    f''is not JSON serializable'')
TypeError: Object of type frozenset is not JSON serializable
During handling of the above exception, another exception occurred:
Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 606, in trace_task
    task.backend.mark_as_done(
    ~~~~~~~~~~~~~~~~~~~~~~~~~^
        uuid, retval, task_request, publish_result,
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    )
    ^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 294, in mark_as_done
    self.store_result(task_id, result, state, request=request)
    ~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 873, in store_result
    self._ensure_retryable(
    ~~~~~~~~~~~~~~~~~~~~~~^
        self._store_result,
        ^^^^^^^^^^^^^^^^^^^
    ...<4 lines>...
        **kwargs
        ^^^^^^^^
    )
    ^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 833, in _ensure_retryable
    return func(*args, **kwargs)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/database/__init__.py", line 192, in _store_result
    self._update_result(task, result, state, traceback=traceback, request=request)
    ~~~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/database/__init__.py", line 202, in _update_result
    meta = self._get_result_meta(result=ensure_bytes(self.encode(result)), state=state,
                                                     ~~~~~~~~~~~^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 694, in encode
    _, _, payload = self._encode(data)
                    ~~~~~~~~~~~~^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 700, in _encode
    return dumps(data, serializer=self.serializer)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 219, in dumps
    with _reraise_errors(EncodeError):
         ~~~~~~~~~~~~~~~^^^^^^^^^^^^^
  File "/usr/lib/python3.13/contextlib.py", line 162, in __exit__
    self.gen.throw(value)
    ~~~~~~~~~~~~~~^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 45, in _reraise_errors
    reraise(wrapper, wrapper(exc), sys.exc_info()[2])
    ~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/exceptions.py", line 34, in reraise
    raise value.with_traceback(tb)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 41, in _reraise_errors
    yield
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 220, in dumps
    payload = encoder(data)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 63, in dumps
    return _dumps(s, cls=cls, **dict(default_kwargs, **kwargs))
  File "/usr/lib/python3.13/json/__init__.py", line 238, in dumps
    **kw).encode(obj)
          ~~~~~~^^^^^
  File "/usr/lib/python3.13/json/encoder.py", line 200, in encode
    chunks = self.iterencode(o, _one_shot=True)
  File "/usr/lib/python3.13/json/encoder.py", line 261, in iterencode
    return _iterencode(o, 0)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 47, in default
    return super().default(o)
           ~~~~~~~~~~~~~~~^^^
  File "/usr/lib/python3.13/json/encoder.py", line 180, in default
    raise TypeError(f''Object of type {o.__class__.__name__} ''
                    f''is not JSON serializable'')
kombu.exceptions.EncodeError: Object of type frozenset is not JSON serializable
', NULL, 'shop.value', '\x5b2266726f7a656e736574225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (23, 'python-aware', 'SUCCESS', '\x7b225f5f747970655f5f223a20226461746574696d65222c20225f5f76616c75655f5f223a2022323032342d30322d32395431323a33303a30302b30323a3030227d', '2026-11-26 09:44:54.515932', NULL, NULL, 'shop.value', '\x5b226177617265225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (24, 'python-time', 'SUCCESS', '\x7b225f5f747970655f5f223a202274696d65222c20225f5f76616c75655f5f223a202231323a33303a3030227d', '2026-11-26 09:44:54.576828', NULL, NULL, 'shop.value', '\x5b2274696d65225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (33, 'failed-picky', 'FAILURE', '\x7b226578635f74797065223a2022556e7069636b6c6561626c65457863657074696f6e57726170706572222c20226578635f6d657373616765223a205b2273686f70222c20225069636b79222c205b375d2c20225069636b79283729225d2c20226578635f6d6f64756c65223a202263656c6572792e7574696c732e73657269616c697a6174696f6e227d', '2026-11-26 09:44:55.669155', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
                 ~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 883, in __protected_call__
    return self.run(*args, **kwargs)
           ~~~~~~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
celery.utils.serialization.UnpickleableExceptionWrapper: Picky(7)
', NULL, 'shop.fail', '\x5b227069636b79225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (34, 'failed-empty', 'FAILURE', '\x7b226578635f74797065223a202256616c75654572726f72222c20226578635f6d657373616765223a205b5d2c20226578635f6d6f64756c65223a20226275696c74696e73227d', '2026-11-26 09:44:55.779651', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
                 ~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 883, in __protected_call__
    return self.run(*args, **kwargs)
           ~~~~~~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
ValueError
', NULL, 'shop.fail', '\x5b22656d707479225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (25, 'python-timedelta', 'FAILURE', '\x7b226578635f74797065223a2022456e636f64654572726f72222c20226578635f6d657373616765223a205b22547970654572726f7228274f626a656374206f6620747970652074696d6564656c7461206973206e6f74204a534f4e2073657269616c697a61626c652729225d2c20226578635f6d6f64756c65223a20226b6f6d62752e657863657074696f6e73227d', '2026-11-26 09:44:54.760098', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 41, in _reraise_errors
    yield
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 220, in dumps
    payload = encoder(data)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 63, in dumps
    return _dumps(s, cls=cls, **dict(default_kwargs, **kwargs))
  File "/usr/lib/python3.13/json/__init__.py", line 238, in dumps
    **kw).encode(obj)
          ~~~~~~^^^^^
  File "/usr/lib/python3.13/json/encoder.py", line 200, in encode
    chunks = self.iterencode(o, _one_shot=True)
  File "/usr/lib/python3.13/json/encoder.py", line 261, in iterencode
    return _iterencode(o, 0)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 47, in default
    return super().default(o)
           ~~~~~~~~~~~~~~~^^^
  File "/usr/lib/python3.13/json/encoder.py", line 180, in default
    raise TypeError(f''Object of type {o.__class__.__name__} ''
                    f''is not JSON serializable'')
TypeError: Object of type timedelta is not JSON serializable
During handling of the above exception, another exception occurred:
Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 606, in trace_task
    task.backend.mark_as_done(
    ~~~~~~~~~~~~~~~~~~~~~~~~~^
        uuid, retval, task_request, publish_result,
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    )
    ^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 294, in mark_as_done
    self.store_result(task_id, result, state, request=request)
    ~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 873, in store_result
    self._ensure_retryable(
    ~~~~~~~~~~~~~~~~~~~~~~^
        self._store_result,
        ^^^^^^^^^^^^^^^^^^^
    ...<4 lines>...
        **kwargs
        ^^^^^^^^
    )
    ^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 833, in _ensure_retryable
    return func(*args, **kwargs)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/database/__init__.py", line 192, in _store_result
    self._update_result(task, result, state, traceback=traceback, request=request)
    ~~~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/database/__init__.py", line 202, in _update_result
    meta = self._get_result_meta(result=ensure_bytes(self.encode(result)), state=state,
                                                     ~~~~~~~~~~~^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 694, in encode
    _, _, payload = self._encode(data)
                    ~~~~~~~~~~~~^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 700, in _encode
    return dumps(data, serializer=self.serializer)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 219, in dumps
    with _reraise_errors(EncodeError):
         ~~~~~~~~~~~~~~~^^^^^^^^^^^^^
  File "/usr/lib/python3.13/contextlib.py", line 162, in __exit__
    self.gen.throw(value)
    ~~~~~~~~~~~~~~^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 45, in _reraise_errors
    reraise(wrapper, wrapper(exc), sys.exc_info()[2])
    ~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/exceptions.py", line 34, in reraise
    raise value.with_traceback(tb)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 41, in _reraise_errors
    yield
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 220, in dumps
    payload = encoder(data)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 63, in dumps
    return _dumps(s, cls=cls, **dict(default_kwargs, **kwargs))
  File "/usr/lib/python3.13/json/__init__.py", line 238, in dumps
    **kw).encode(obj)
          ~~~~~~^^^^^
  File "/usr/lib/python3.13/json/encoder.py", line 200, in encode
    chunks = self.iterencode(o, _one_shot=True)
  File "/usr/lib/python3.13/json/encoder.py", line 261, in iterencode
    return _iterencode(o, 0)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 47, in default
    return super().default(o)
           ~~~~~~~~~~~~~~~^^^
  File "/usr/lib/python3.13/json/encoder.py", line 180, in default
    raise TypeError(f''Object of type {o.__class__.__name__} ''
                    f''is not JSON serializable'')
kombu.exceptions.EncodeError: Object of type timedelta is not JSON serializable
', NULL, 'shop.value', '\x5b2274696d6564656c7461225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (26, 'python-complex', 'FAILURE', '\x7b226578635f74797065223a2022456e636f64654572726f72222c20226578635f6d657373616765223a205b22547970654572726f7228274f626a656374206f66207479706520636f6d706c6578206973206e6f74204a534f4e2073657269616c697a61626c652729225d2c20226578635f6d6f64756c65223a20226b6f6d62752e657863657074696f6e73227d', '2026-11-26 09:44:54.848898', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 41, in _reraise_errors
    yield
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 220, in dumps
    payload = encoder(data)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 63, in dumps
    return _dumps(s, cls=cls, **dict(default_kwargs, **kwargs))
  File "/usr/lib/python3.13/json/__init__.py", line 238, in dumps
    **kw).encode(obj)
          ~~~~~~^^^^^
  File "/usr/lib/python3.13/json/encoder.py", line 200, in encode
    chunks = self.iterencode(o, _one_shot=True)
  File "/usr/lib/python3.13/json/encoder.py", line 261, in iterencode
    return _iterencode(o, 0)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 47, in default
    return super().default(o)
           ~~~~~~~~~~~~~~~^^^
  File "/usr/lib/python3.13/json/encoder.py", line 180, in default
    raise TypeError(f''Object of type {o.__class__.__name__} ''
                    f''is not JSON serializable'')
TypeError: Object of type complex is not JSON serializable
During handling of the above exception, another exception occurred:
Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 606, in trace_task
    task.backend.mark_as_done(
    ~~~~~~~~~~~~~~~~~~~~~~~~~^
        uuid, retval, task_request, publish_result,
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    )
    ^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 294, in mark_as_done
    self.store_result(task_id, result, state, request=request)
    ~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 873, in store_result
    self._ensure_retryable(
    ~~~~~~~~~~~~~~~~~~~~~~^
        self._store_result,
        ^^^^^^^^^^^^^^^^^^^
    ...<4 lines>...
        **kwargs
        ^^^^^^^^
    )
    ^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 833, in _ensure_retryable
    return func(*args, **kwargs)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/database/__init__.py", line 192, in _store_result
    self._update_result(task, result, state, traceback=traceback, request=request)
    ~~~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/database/__init__.py", line 202, in _update_result
    meta = self._get_result_meta(result=ensure_bytes(self.encode(result)), state=state,
                                                     ~~~~~~~~~~~^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 694, in encode
    _, _, payload = self._encode(data)
                    ~~~~~~~~~~~~^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 700, in _encode
    return dumps(data, serializer=self.serializer)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 219, in dumps
    with _reraise_errors(EncodeError):
         ~~~~~~~~~~~~~~~^^^^^^^^^^^^^
  File "/usr/lib/python3.13/contextlib.py", line 162, in __exit__
    self.gen.throw(value)
    ~~~~~~~~~~~~~~^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 45, in _reraise_errors
    reraise(wrapper, wrapper(exc), sys.exc_info()[2])
    ~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/exceptions.py", line 34, in reraise
    raise value.with_traceback(tb)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 41, in _reraise_errors
    yield
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 220, in dumps
    payload = encoder(data)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 63, in dumps
    return _dumps(s, cls=cls, **dict(default_kwargs, **kwargs))
  File "/usr/lib/python3.13/json/__init__.py", line 238, in dumps
    **kw).encode(obj)
          ~~~~~~^^^^^
  File "/usr/lib/python3.13/json/encoder.py", line 200, in encode
    chunks = self.iterencode(o, _one_shot=True)
  File "/usr/lib/python3.13/json/encoder.py", line 261, in iterencode
    return _iterencode(o, 0)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 47, in default
    return super().default(o)
           ~~~~~~~~~~~~~~~^^^
  File "/usr/lib/python3.13/json/encoder.py", line 180, in default
    raise TypeError(f''Object of type {o.__class__.__name__} ''
                    f''is not JSON serializable'')
kombu.exceptions.EncodeError: Object of type complex is not JSON serializable
', NULL, 'shop.value', '\x5b22636f6d706c6578225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (27, 'python-keys', 'FAILURE', '\x7b226578635f74797065223a2022456e636f64654572726f72222c20226578635f6d657373616765223a205b22547970654572726f7228276b657973206d757374206265207374722c20696e742c20666c6f61742c20626f6f6c206f72204e6f6e652c206e6f74207475706c652729225d2c20226578635f6d6f64756c65223a20226b6f6d62752e657863657074696f6e73227d', '2026-11-26 09:44:55.009093', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 41, in _reraise_errors
    yield
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 220, in dumps
    payload = encoder(data)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 63, in dumps
    return _dumps(s, cls=cls, **dict(default_kwargs, **kwargs))
  File "/usr/lib/python3.13/json/__init__.py", line 238, in dumps
    **kw).encode(obj)
          ~~~~~~^^^^^
  File "/usr/lib/python3.13/json/encoder.py", line 200, in encode
    chunks = self.iterencode(o, _one_shot=True)
  File "/usr/lib/python3.13/json/encoder.py", line 261, in iterencode
    return _iterencode(o, 0)
TypeError: keys must be str, int, float, bool or None, not tuple
During handling of the above exception, another exception occurred:
Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 606, in trace_task
    task.backend.mark_as_done(
    ~~~~~~~~~~~~~~~~~~~~~~~~~^
        uuid, retval, task_request, publish_result,
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    )
    ^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 294, in mark_as_done
    self.store_result(task_id, result, state, request=request)
    ~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 873, in store_result
    self._ensure_retryable(
    ~~~~~~~~~~~~~~~~~~~~~~^
        self._store_result,
        ^^^^^^^^^^^^^^^^^^^
    ...<4 lines>...
        **kwargs
        ^^^^^^^^
    )
    ^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 833, in _ensure_retryable
    return func(*args, **kwargs)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/database/__init__.py", line 192, in _store_result
    self._update_result(task, result, state, traceback=traceback, request=request)
    ~~~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/database/__init__.py", line 202, in _update_result
    meta = self._get_result_meta(result=ensure_bytes(self.encode(result)), state=state,
                                                     ~~~~~~~~~~~^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 694, in encode
    _, _, payload = self._encode(data)
                    ~~~~~~~~~~~~^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/backends/base.py", line 700, in _encode
    return dumps(data, serializer=self.serializer)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 219, in dumps
    with _reraise_errors(EncodeError):
         ~~~~~~~~~~~~~~~^^^^^^^^^^^^^
  File "/usr/lib/python3.13/contextlib.py", line 162, in __exit__
    self.gen.throw(value)
    ~~~~~~~~~~~~~~^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 45, in _reraise_errors
    reraise(wrapper, wrapper(exc), sys.exc_info()[2])
    ~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/exceptions.py", line 34, in reraise
    raise value.with_traceback(tb)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 41, in _reraise_errors
    yield
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/serialization.py", line 220, in dumps
    payload = encoder(data)
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/kombu/utils/json.py", line 63, in dumps
    return _dumps(s, cls=cls, **dict(default_kwargs, **kwargs))
  File "/usr/lib/python3.13/json/__init__.py", line 238, in dumps
    **kw).encode(obj)
          ~~~~~~^^^^^
  File "/usr/lib/python3.13/json/encoder.py", line 200, in encode
    chunks = self.iterencode(o, _one_shot=True)
  File "/usr/lib/python3.13/json/encoder.py", line 261, in iterencode
    return _iterencode(o, 0)
kombu.exceptions.EncodeError: keys must be str, int, float, bool or None, not tuple
', NULL, 'shop.value', '\x5b226b657973225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (28, 'python-ordered', 'SUCCESS', '\x7b2262223a20312c202261223a20327d', '2026-11-26 09:44:55.071712', NULL, NULL, 'shop.value', '\x5b226f726465726564225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (29, 'failed-zero', 'FAILURE', '\x7b226578635f74797065223a20225a65726f4469766973696f6e4572726f72222c20226578635f6d657373616765223a205b226469766973696f6e206279207a65726f225d2c20226578635f6d6f64756c65223a20226275696c74696e73227d', '2026-11-26 09:44:55.168125', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
                 ~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 883, in __protected_call__
    return self.run(*args, **kwargs)
           ~~~~~~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
ZeroDivisionError: division by zero
', NULL, 'shop.fail', '\x5b227a65726f225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (30, 'failed-key', 'FAILURE', '\x7b226578635f74797065223a20224b65794572726f72222c20226578635f6d657373616765223a205b226170706c65225d2c20226578635f6d6f64756c65223a20226275696c74696e73227d', '2026-11-26 09:44:55.25887', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
                 ~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 883, in __protected_call__
    return self.run(*args, **kwargs)
           ~~~~~~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
KeyError: ''apple''
', NULL, 'shop.fail', '\x5b226b6579225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (31, 'failed-system', 'FAILURE', '\x7b226578635f74797065223a202246696c654e6f74466f756e644572726f72222c20226578635f6d657373616765223a205b322c20224e6f20737563682066696c65206f72206469726563746f7279225d2c20226578635f6d6f64756c65223a20226275696c74696e73227d', '2026-11-26 09:44:55.387031', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
                 ~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 883, in __protected_call__
    return self.run(*args, **kwargs)
           ~~~~~~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
FileNotFoundError: [Errno 2] No such file or directory: ''prices.csv''
', NULL, 'shop.fail', '\x5b2273797374656d225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (32, 'failed-own', 'FAILURE', '\x7b226578635f74797065223a20224f75744f6653746f636b222c20226578635f6d657373616765223a205b226170706c65222c20335d2c20226578635f6d6f64756c65223a202273686f70227d', '2026-11-26 09:44:55.532688', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
                 ~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 883, in __protected_call__
    return self.run(*args, **kwargs)
           ~~~~~~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/shop.py", line 111, in fail
    raise EXCEPTIONS[name]
shop.OutOfStock: (''apple'', 3)
', NULL, 'shop.fail', '\x5b226f776e225d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (35, 'arguments', 'SUCCESS', '\x6e756c6c', '2026-11-26 09:44:55.906962', NULL, NULL, 'shop.echo', '\x5b35332c20226170706c65225d', '\x7b226e616d65223a20225a6f5c7530306562222c20226c697374223a205b312c20322e352c206e756c6c5d7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (36, 'expired', 'REVOKED', '\x7b226578635f74797065223a20225461736b5265766f6b65644572726f72222c20226578635f6d657373616765223a205b2265787069726564225d2c20226578635f6d6f64756c65223a202263656c6572792e657863657074696f6e73227d', '2026-11-26 09:44:55.944831', NULL, NULL, 'shop.echo', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (37, 'first', 'SUCCESS', '\x31373935363836323936', '2026-11-26 09:44:56.068674', NULL, '\x5b5b5b227365636f6e64222c206e756c6c5d2c206e756c6c5d5d', 'shop.moment', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (38, 'retried', 'RETRY', '\x7b226578635f74797065223a202254696d656f75744572726f72222c20226578635f6d657373616765223a205b227468652073686f7020697320636c6f736564225d2c20226578635f6d6f64756c65223a20226275696c74696e73227d', '2026-11-26 09:44:56.261636', 'Traceback (most recent call last):
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
                 ~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/trace.py", line 883, in __protected_call__
    return self.run(*args, **kwargs)
           ~~~~~~~~^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/shop.py", line 117, in again
    raise self.retry(exc=TimeoutError("the shop is closed"), countdown=86400)
          ~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/tmp/celery-tables/celery-5.7.0/lib/python3.13/site-packages/celery/app/task.py", line 963, in retry
    raise ret
celery.exceptions.Retry: Retry in 86400s: TimeoutError(''the shop is closed'')
', '\x5b5b5b2272657472696564222c206e756c6c5d2c206e756c6c5d5d', 'shop.again', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (39, 'progress', 'PROGRESS', '\x7b22646f6e65223a20332c20226f66223a20397d', '2026-11-26 09:44:56.3943', NULL, NULL, 'shop.progress', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (40, 'second', 'SUCCESS', '\x31373935363836323936', '2026-11-26 09:44:56.49874', NULL, NULL, 'shop.moment', '\x5b313739353638363239365d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_taskmeta VALUES (41, 'started', 'STARTED', '\x7b22706964223a2031353738352c2022686f73746e616d65223a20226f6e654068657265227d', NULL, NULL, NULL, 'shop.crash', '\x5b5d', '\x7b7d', 'one@here', 0, 'celery', NULL);
INSERT INTO public.celery_tasksetmeta VALUES (1, 'group', '\x5b5b2267726f7570222c206e756c6c5d2c205b5b5b226d656d6265722d31222c206e756c6c5d2c206e756c6c5d2c205b5b226d656d6265722d32222c206e756c6c5d2c206e756c6c5d5d5d', '2026-11-26 09:44:49.973931');
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
CREATE INDEX ix_celery_taskmeta_date_done ON public.celery_taskmeta USING btree (date_done);
CREATE INDEX ix_celery_tasksetmeta_date_done ON public.celery_tasksetmeta USING btree (date_done);
