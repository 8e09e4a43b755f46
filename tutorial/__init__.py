"""The package behind the course on keeping Celery results in a SQL database."""
