"""The Celery configuration: a plain module, loaded with ``app.config_from_object``."""

from datetime import timedelta

from tutorial import broker, database

# Where tasks wait, and where their results are kept. The environment variables CELERY_BROKER_URL
# and CELERY_RESULT_BACKEND replace them.
broker_url = broker.broker_url()
result_backend = database.result_backend()

# Give up on a Redis server that accepts a connection but does not answer. The embedded queue and
# RabbitMQ take no such options; kombu gives up on RabbitMQ after four seconds.
if broker_url.startswith(("redis", "sentinel")):
    broker_transport_options = {
        "socket_connect_timeout": database.CONNECT_TIMEOUT,
        "socket_timeout": database.CONNECT_TIMEOUT,
    }

# Celery's own backend opens a new connection whenever a program asks for a result. The course's
# backend stores the same rows, and keeps its connection.
override_backends = {"db": "tutorial.backend:EngineBackend"}

# The result backend makes an engine of its own; this gives it the settings of tutorial.database.
database_engine_callback = database.configure_engine

# How old a result must be before the clean-up deletes it. A day is also Celery's default, and
# nothing is deleted until something runs the clean-up: see chapter 09.
result_expires = timedelta(days=1)

# Store the task's name, arguments, worker, queue and number of retries beside the result.
result_extended = True

# JSON only, in messages and in results: whoever can write a pickle can run code.
task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]

# The column date_done has no time zone, so the course keeps it in UTC everywhere.
timezone = "UTC"
enable_utc = True

# A worker takes one waiting message for each of its processes, and leaves the rest to others.
worker_prefetch_multiplier = 1

# Keep trying while the broker is not there yet; without this setting, Celery warns.
broker_connection_retry_on_startup = True
