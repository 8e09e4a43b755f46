"""The project's own tables. Celery makes its tables itself, so they are not defined here."""

import datetime as dt

from sqlalchemy import DateTime
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base of all tables of the project."""


class Order(Base):
    """An order that a task ships."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    shipped_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
