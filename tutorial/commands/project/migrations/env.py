"""Alembic's environment: python -m alembic upgrade head."""

from typing import Any

from alembic import context
from database import engine
from models import Base

# Celery makes and changes these tables itself. Without this line, "alembic revision
# --autogenerate" would write a migration that drops them.
CELERYS = {"celery_taskmeta", "celery_tasksetmeta"}


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave Celery's tables out of the comparison."""
    return not (kind == "table" and name in CELERYS)


if context.is_offline_mode():
    context.configure(url=engine.url, target_metadata=Base.metadata, include_name=include_name)
    with context.begin_transaction():
        context.run_migrations()
else:
    with engine.connect() as connection:
        context.configure(connection, target_metadata=Base.metadata, include_name=include_name)
        with context.begin_transaction():
            context.run_migrations()
