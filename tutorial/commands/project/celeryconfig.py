"""The settings of Celery: https://docs.celeryq.dev/en/stable/userguide/configuration.html."""

import os

from database import HERE

# Where tasks wait. The default is a file, which is enough to develop with; in production set the
# environment variable BROKER_URL to a Redis or RabbitMQ server.
broker_url = os.environ.get("BROKER_URL") or f"sqla+sqlite:///{HERE / 'data' / 'queue.db'}"
broker_connection_retry_on_startup = True
if broker_url.startswith("redis"):  # give up on one that accepts a connection and then is silent
    broker_transport_options = {"socket_connect_timeout": 10, "socket_timeout": 10}

# Store the task's name, arguments, worker and queue beside its result.
result_extended = True
# retention.py archives and deletes old results. With a number here, celery beat would also send
# Celery's own clean-up, which deletes them without an archive.
result_expires = None

# JSON only: whoever can write a pickle can run code in the process that reads it.
task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]

# The column date_done has no time zone, so everything that writes or reads it uses UTC.
timezone = "UTC"
enable_utc = True

# The task of a worker that was killed runs again on another worker: with RabbitMQ at once, with
# Redis after an hour, but never if the queue is a file. So each task must be safe to run twice: see
# ship in tasks.py. If a task takes longer than that hour, or its countdown does, Redis delivers it
# again while it is running or waiting: then raise "visibility_timeout", in seconds, in
# broker_transport_options.
task_acks_late = True
task_reject_on_worker_lost = True
# A task whose own process is killed, often because it needs too much memory, is retried. When its
# max_retries are used up it fails, instead of killing one process after another.
task_retry_on_worker_lost = True
# A worker takes one waiting message for each of its processes, and leaves the rest to others.
worker_prefetch_multiplier = 1
