"""URLs of databases and brokers. An error names what is wrong, but no part of a password."""

import inspect
import re
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from celery.exceptions import ImproperlyConfigured


def scheme(url: str) -> str:
    """Name the scheme of a URL; without :// the text can be anything, even a password.

    Parameters
    ----------
    url : str

    Returns
    -------
    str
        For example ``the scheme 'redis'``, or ``no scheme``.
    """
    name, colon, _rest = url.partition("://")
    return f"the scheme {name!r}" if colon and re.fullmatch(r"[\w+.:-]+", name) else "no scheme"


def sqlite_file(url: sa.URL) -> Path | None:
    """Return the file of a SQLite database.

    Parameters
    ----------
    url : sqlalchemy.URL

    Returns
    -------
    pathlib.Path or None
        None if the database is in memory, or not SQLite's.
    """
    name = url.database or ""
    if name.startswith("file:"):
        name = name.removeprefix("file:").partition("?")[0].removeprefix("//")
    in_memory = name in ("", ":memory:") or "memory" in url.query.get("mode", "")
    if url.get_backend_name() != "sqlite" or in_memory or "mode=memory" in (url.database or ""):
        return None
    return Path(name)


def address(url: sa.URL) -> str:
    """Say where a database is, without the user, the password and the options.

    Parameters
    ----------
    url : sqlalchemy.URL

    Returns
    -------
    str
        For example ``postgresql+psycopg at db.example.org:5432``, or ``sqlite at /path/x.db``.
    """
    if url.get_backend_name() == "sqlite":
        place = str(sqlite_file(url) or "memory")
    else:
        host = url.host or url.query.get("host") or url.query.get("unix_socket") or "its socket"
        place = host if isinstance(host, str) else ",".join(host)
    return f"{url.drivername} at {place}{f':{url.port}' if url.port else ''}"


def check_text(url: str) -> None:
    """Refuse a URL that programs read in different ways, some of them with half a password.

    Parameters
    ----------
    url : str

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If the URL is blank, or if a user name or a password has a character that ends it.
    """
    if not url or url != url.strip():
        raise ImproperlyConfigured("The URL is blank, or begins or ends with a space: remove it.")
    authority, *_rest = re.split("[/?#]", url.partition("://")[2], maxsplit=1)
    user, _at, _host = authority.rpartition("@")
    marks = url.count("@")
    if authority and (marks > 1 or (marks == 1 and "@" not in authority) or set(user) & set("[]")):
        raise ImproperlyConfigured(
            "The URL has a character in the user name or the password that must be escaped: "
            "write @ as %40, / as %2F, ? as %3F, # as %23, [ as %5B and ] as %5D."
        )


def usable_url(url: sa.URL | str) -> sa.URL:
    """Read a database URL, and check that its dialect and its driver exist and accept it.

    Parameters
    ----------
    url : sqlalchemy.URL or str

    Returns
    -------
    sqlalchemy.URL

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If SQLAlchemy cannot read the URL or does not know its scheme, if the driver is not
        installed, or if it does not accept the URL's options.
    """
    if isinstance(url, str):
        check_text(url)
        if url.startswith("db+"):
            raise ImproperlyConfigured(
                "The URL begins with db+, which is for Celery's result_backend alone: remove it."
            )
    try:
        read = sa.make_url(url)
        dialect = read.get_dialect()
        driver = dialect.import_dbapi()
        if "@" in (read.host or "") or not 0 < (read.port or 1) < 65536:
            raise ValueError
    except sa.exc.NoSuchModuleError as error:
        raise ImproperlyConfigured(
            f"SQLAlchemy knows no database with the scheme {read.drivername!r}: "
            "use sqlite, postgresql+psycopg or mysql+pymysql."
        ) from error
    except ModuleNotFoundError as error:
        raise ImproperlyConfigured(
            f"The driver {error.name!r} for {read.drivername!r} is not installed: "
            "install it, or name another one in the URL."
        ) from error
    except (sa.exc.ArgumentError, sa.exc.SAWarning, ValueError):
        # Without the cause, which may quote a part of the password.
        raise ImproperlyConfigured(
            "The database URL cannot be read: "
            "its form is dialect+driver://user:password@host:port/name, with the user name and "
            "the password escaped (@ as %40)."
        ) from None
    if dialect.is_async:
        raise ImproperlyConfigured(
            f"The driver of {read.drivername!r} needs async code, but Celery's backend has none: "
            "use sqlite, postgresql+psycopg or mysql+pymysql."
        )
    if read.get_backend_name() == "sqlite" and (read.host or read.username or read.port):
        raise ImproperlyConfigured(
            "The URL of a SQLite file has three slashes before the path, and four before an "
            "absolute path, as in sqlite:////folder/results.db."
        )
    if not _takes_options(read, dialect(), driver):
        raise ImproperlyConfigured(
            f"The driver of {read.drivername!r} does not take all options of the URL with their "
            f"values: correct or remove what is wrong of {', '.join(read.query)}."
        )
    return read


def _takes_options(url: sa.URL, dialect: Any, driver: Any) -> bool:
    """Tell whether the options after the question mark have names that the driver knows."""
    if not url.query:
        return True
    try:
        with warnings.catch_warnings(action="error"):  # SQLite's dialect leaves out what is wrong
            positional, options = dialect.create_connect_args(url)
        if dialect.driver == "pysqlite":  # compiled: it does not say which options it has
            options.pop("uri", None)
            driver.connect(":memory:", **options).close()
            return True
        with suppress(ImportError):
            _check_names(driver, options)
        inspect.signature(driver.connect).bind(*positional, **options)
        if dialect.driver == "pymysql":  # it looks at their values, and does not connect
            with suppress(OSError):  # a certificate may be missing on this machine alone
                driver.connect(*positional, **options, defer_connect=True)
    except (sa.exc.ArgumentError, sa.exc.SAWarning, ValueError, TypeError, AttributeError):
        return False
    return True


def _check_names(driver: Any, options: dict[str, Any]) -> None:
    """Raise ValueError for an option that only the library behind psycopg would refuse."""
    if driver.__name__ != "psycopg":
        return
    from psycopg.conninfo import make_conninfo

    own = inspect.signature(driver.connect).parameters
    try:
        make_conninfo("", **{name: text for name, text in options.items() if name not in own})
    except driver.Error as error:
        raise ValueError from error


def shared_url(url: str) -> sa.URL:
    """Read a database URL that several processes are to use.

    Parameters
    ----------
    url : str

    Returns
    -------
    sqlalchemy.URL

    Raises
    ------
    celery.exceptions.ImproperlyConfigured
        If it names a database in memory, or a file that is a different one for each process, or as
        `usable_url` does.
    """
    read = usable_url(url)
    if secrets := {"password", "passwd"} & set(read.query):
        raise ImproperlyConfigured(
            f"The URL has the option {min(secrets)!r}, which logs would show: "
            "write the password before the host, as in user:password@host."
        )
    if read.get_backend_name() != "sqlite":
        return read
    file = sqlite_file(read)
    if not file:
        raise ImproperlyConfigured(
            "The URL names a database in memory, which worker and client cannot share: "
            "name a file, as in sqlite:////folder/results.db."
        )
    if not file.is_absolute():
        raise ImproperlyConfigured(
            f"The URL has the relative path {str(file)!r}, which is a different file in each "
            "folder: write an absolute path, as in sqlite:////folder/results.db."
        )
    return read
