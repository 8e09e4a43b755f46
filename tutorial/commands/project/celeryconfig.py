"""The settings of Celery: https://docs.celeryq.dev/en/stable/userguide/configuration.html."""

import os
from datetime import timedelta

from database import HERE

# Where tasks wait. The default is a file, which is enough to develop with; in production set the
# environment variable BROKER_URL to a Redis or RabbitMQ server.
broker_url = os.environ.get("BROKER_URL") or f"sqla+sqlite:///{HERE / 'data' / 'queue.db'}"
broker_connection_retry_on_startup = True
if broker_url.startswith("redis"):  # give up on one that accepts a connection and then is silent
    broker_transport_options = {"socket_connect_timeout": 10, "socket_timeout": 10}

# Store the task's name, arguments, worker and queue beside its result.
result_extended = True
# How old a result must be before the clean-up deletes it. Nothing deletes it by itself: run
# retention.py every day.
result_expires = timedelta(days=30)

# JSON only: whoever can write a pickle can run code in the process that reads it.
task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]

# The column date_done has no time zone, so everything that writes or reads it uses UTC.
timezone = "UTC"
enable_utc = True

# The task of a worker that was killed runs again on another worker: with RabbitMQ at once, with
# Redis after an hour (visibility_timeout), but never if the queue is a file. So each task must be
# safe to run twice: see ship in tasks.py.
task_acks_late = True
task_reject_on_worker_lost = True
# A worker takes one waiting message for each of its processes, and leaves the rest to others.
worker_prefetch_multiplier = 1
