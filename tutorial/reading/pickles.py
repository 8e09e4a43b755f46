"""Read plain values from a pickle, without running anything.

Until version 5.6 Celery pickled every result, whatever ``result_serializer`` said. To unpickle is
to run a program that somebody stored. `read_pickle` only reads that program: `pickletools` knows
the instructions and how their arguments are written, and the machine below follows those of a
closed list.

Some of the instructions name a class and apply it to arguments. The machine imports no class and
calls none: it writes down the name and the arguments, in a `_Made`. A closed list of recipes,
`RECIPES`, makes the values of a few well-known types, such as dates, from what was written down;
anything else is refused.

What is read takes bounded time and memory. A pickle of a few hundred bytes can refer to its parts
so often that the value would fill the memory, so the value is built last, and its size is counted.
"""

import builtins
import datetime as dt
import io
import pickletools
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import IO, Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

LARGEST = 16 * 2**20  # bytes of a pickle
GROWTH = 1_000  # a value may take this many times the bytes of its pickle, and at most:
MEMORY = 64 * 2**20  # bytes
DEPTH = 100  # of containers in containers
DIGITS = 4_300  # of an integer: Python prints no more, and JSON is not read with more either
ALIKE = 32  # keys with the same hash: more come from somebody who wants dict to be slow
OBJECT = 64  # bytes that a value takes besides its text

MARK = object()
EXCEPTIONS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
OWN_MODULES = ("celery", "billiard", "kombu")  # whose exceptions end a task


def read_pickle(raw: bytes) -> Any:
    """Return the plain value of a pickle.

    Parameters
    ----------
    raw : bytes
        A pickle of any protocol. Nothing in it is imported, called or run.

    Returns
    -------
    object
        None, or a bool, number, text, bytes, list, tuple, dict, set, date, time, Decimal or UUID,
        or these in each other. What Celery itself pickles has the form that it has in JSON: an
        exception is a dict of ``exc_type``, ``exc_message`` and ``exc_module``, and the result of
        a group is what ``GroupResult.as_tuple`` returns.

    Raises
    ------
    ValueError
        If it is not a pickle, or holds anything else, or is too large.
    """
    return _read(raw, _is_known_exception)


def read_exception(raw: bytes) -> dict[str, Any]:
    """Return the exception of a task that failed, from its pickle.

    Parameters
    ----------
    raw : bytes
        The result in a row whose state says that it is an exception. The pickle of a custom class
        does not say so: in another row, the same bytes may be a member of an Enum.

    Returns
    -------
    dict
        As from `read_pickle`.

    Raises
    ------
    ValueError
        As `read_pickle`, or if it is not an exception.
    """
    value = _read(raw, _may_be_exception)
    if not isinstance(value, dict) or not isinstance(value.get("exc_type"), str):
        raise ValueError("The pickle holds no exception.")
    return value


def _read(raw: bytes, is_exception: Callable[["_Name"], bool]) -> Any:
    try:
        if len(raw) > LARGEST:
            raise ValueError(f"it is larger than {LARGEST:,} bytes")
        note = _Machine().follow(raw)
        builder = _Builder(min(MEMORY, GROWTH * len(raw)))
        if isinstance(note, _Made) and not note.new and is_exception(note.name):
            return builder.exception(note)
        return builder.build(note)
    except Exception as error:  # of any kind: anybody may have written these bytes
        reason = " ".join(str(error).split())  # one line, whatever a name in the pickle holds
        raise ValueError(f"The pickle cannot be read safely: {reason}.") from None


@dataclass(slots=True, eq=False)
class _Name:
    """The name of a class or function. Nothing here ever looks up what it names."""

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}.{self.attribute}"[:80]


@dataclass(slots=True, eq=False)
class _Container:
    """A container, with the values that the program puts into it."""

    make: Callable[[Any], Any]
    items: list[Any] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Made:
    """Something that unpickling would make by a call."""

    name: _Name
    arguments: Any
    new: bool = False  # by the class's __new__, as no exception is
    state: Any = None
    items: list[Any] = field(default_factory=list)


class _Machine:
    """Follows the instructions of a pickle, and makes notes in place of objects."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def follow(self, raw: bytes) -> Any:
        """Return the note on the pickled value."""
        file = io.BytesIO(raw)
        while (code := file.read(1)) not in (STOP, b""):
            if code not in INSTRUCTIONS:
                raise ValueError(f"it has an instruction, {code!r}, that no plain value needs")
            read, step = INSTRUCTIONS[code]
            step(self, read(file))
        if not code or file.read(1) or len(self.stack) != 1:
            raise ValueError("it does not end where it should")
        return self.pop()

    def pop(self) -> Any:
        """Take the last value."""
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a value is missing")
        return value

    def pop_to_mark(self) -> list[Any]:
        """Take the values since the last mark."""
        values = []
        while (value := self.stack.pop()) is not MARK:
            values.append(value)
        return values[::-1]

    def last(self, *kinds: Any) -> Any:
        """Return the value to which the next instruction adds."""
        value = self.stack[-1]
        if isinstance(value, _Made) and _Made in kinds:
            return value
        if isinstance(value, _Container) and value.make in kinds:
            return value
        raise ValueError("it adds to a value that is not a container")

    def remember(self, place: int | None) -> None:
        """Keep the last value for later, under a number."""
        value = self.pop()
        self.stack.append(value)
        self.memo[len(self.memo) if place is None else place] = value

    def make(self, _argument: None, new: bool = False) -> None:
        """Note a call of the class or function that stands before the arguments."""
        arguments, name = self.pop(), self.pop()
        if isinstance(name, _Made):
            name = _method(name)
        if not isinstance(name, _Name):
            raise ValueError("it calls a value that has no name")
        self.stack.append(_Made(name, arguments, new))

    def name(self, argument: str | None) -> None:
        """Note a name; STACK_GLOBAL has it on the stack, and GLOBAL in the argument."""
        if argument is None:
            attribute, module = self.pop(), self.pop()
        else:
            module, _space, attribute = argument.partition(" ")
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise ValueError("a name is not a string")
        self.stack.append(_Name(module, attribute))

    def set_state(self, _argument: None) -> None:
        """Note what an object is told after it was made."""
        state = self.pop()
        self.last(_Made).state = state


def _push(make: Callable[[Any], Any], size: int | None = None) -> Callable[..., None]:
    """Return the step that makes a container: of the values since the mark, or the last few."""

    def step(machine: _Machine, _argument: Any) -> None:
        if size is None:
            items = machine.pop_to_mark()
        else:
            items = [machine.pop() for _ in range(size)][::-1]
        machine.stack.append(_Container(make, items))

    return step


def _add(make: Callable[[Any], Any], size: int | None = None) -> Callable[..., None]:
    """Return the step that adds to a container."""

    def step(machine: _Machine, _argument: Any) -> None:
        if size is None:
            items = machine.pop_to_mark()
        else:
            items = [machine.pop() for _ in range(size)][::-1]
        machine.last(make, *([_Made] if make is dict else [])).items.extend(items)

    return step


def _number(machine: _Machine, argument: Any) -> None:
    if isinstance(argument, int) and argument.bit_length() > DIGITS * 3.33:
        raise ValueError(f"a number has more than {DIGITS:,} digits")
    machine.stack.append(argument)


def _python2_text(machine: _Machine, argument: str) -> None:
    machine.stack.append(_Container(_latin, [argument]))


def _latin(items: list[Any]) -> str:
    """Read the text of Python 2, which does not tell how it is encoded."""
    if not items[0].isascii():
        raise ValueError("a text of Python 2 is not in ASCII")
    return items[0]


def _keep(machine: _Machine, argument: Any) -> None:
    machine.stack.append(argument)


STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(["PROTO", "FRAME"], lambda _machine, _argument: None),
    "NONE": _keep,
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    **dict.fromkeys(["BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"], _keep),
    **dict.fromkeys(["INT", "LONG", "LONG1", "LONG4"], _number),
    **dict.fromkeys(["UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"], _keep),
    **dict.fromkeys(["BINSTRING", "SHORT_BINSTRING"], _python2_text),
    **dict.fromkeys(["BINBYTES", "SHORT_BINBYTES", "BINBYTES8"], _keep),
    "BYTEARRAY8": lambda machine, raw: machine.stack.append(bytes(raw)),
    "MARK": lambda machine, _: machine.stack.append(MARK),
    "EMPTY_LIST": _push(list, 0),
    "LIST": _push(list),
    "APPEND": _add(list, 1),
    "APPENDS": _add(list),
    "EMPTY_TUPLE": _push(tuple, 0),
    "TUPLE1": _push(tuple, 1),
    "TUPLE2": _push(tuple, 2),
    "TUPLE3": _push(tuple, 3),
    "TUPLE": _push(tuple),
    "EMPTY_DICT": _push(dict, 0),
    "DICT": _push(dict),
    "SETITEM": _add(dict, 2),
    "SETITEMS": _add(dict),
    "EMPTY_SET": _push(set, 0),
    "ADDITEMS": _add(set),
    "FROZENSET": _push(frozenset),
    "MEMOIZE": lambda machine, _: machine.remember(None),
    **dict.fromkeys(["PUT", "BINPUT", "LONG_BINPUT"], _Machine.remember),
    **dict.fromkeys(
        ["GET", "BINGET", "LONG_BINGET"],
        lambda machine, place: machine.stack.append(machine.memo[place]),
    ),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name,
    "REDUCE": _Machine.make,
    "NEWOBJ": lambda machine, _: machine.make(None, new=True),
    "BUILD": _Machine.set_state,
}
STOP = b"."
# The byte of each instruction, with what reads its argument and what follows it.
INSTRUCTIONS: dict[bytes, tuple[Callable[[IO[bytes]], Any], Callable[[_Machine, Any], None]]] = {
    opcode.code.encode("latin-1"): (
        opcode.arg.reader if opcode.arg else lambda _file: None,
        STEPS[opcode.name],
    )
    for opcode in pickletools.opcodes
    if opcode.name in STEPS
}


class _Builder:
    """Builds values from notes, and counts what they take.

    A note that is used twice is built twice: so a value refers to nothing twice, and never to
    itself.

    Parameters
    ----------
    memory : int
        The number of bytes that may be used.
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.depth = 0

    def build(self, note: Any) -> Any:
        """Return the value that a note stands for."""
        self.memory -= OBJECT + (len(note) if isinstance(note, str | bytes) else 0)
        if self.memory < 0:
            raise ValueError("its value is too large")
        if isinstance(note, _Name):
            raise ValueError(f"it names {note}")
        if not isinstance(note, _Container | _Made):
            return note
        self.depth += 1
        if self.depth > DEPTH:
            raise ValueError(f"its value is deeper than {DEPTH} levels, or holds itself")
        value = self._made(note) if isinstance(note, _Made) else self._container(note)
        self.depth -= 1
        return value

    def _container(self, note: _Container) -> Any:
        items = [self.build(item) for item in note.items]
        if note.make is dict:
            return _dict(items)
        if note.make in (set, frozenset):
            _check_keys(items)
        return note.make(items)

    def _made(self, note: _Made) -> Any:
        recipe = RECIPES.get(str(note.name))
        if recipe is None:
            raise ValueError(f"it calls {note.name}")
        return recipe(note, self)

    def exception(self, note: _Made) -> dict[str, Any]:
        """Return an exception as Celery stores it in JSON."""
        module = "builtins" if note.name.module == "exceptions" else note.name.module
        message = tuple(self._message(item) for item in _items(note.arguments))
        return {"exc_type": note.name.attribute, "exc_message": message, "exc_module": module}

    def _message(self, note: Any) -> Any:
        """Return an argument of an exception; one that is itself an exception as text."""
        if not isinstance(note, _Made) or note.new or not _may_be_exception(note.name):
            return self.build(note)
        self.depth += 1
        if self.depth > DEPTH:
            raise ValueError("it holds itself")
        inner = self.exception(note)
        self.depth -= 1
        return f"{inner['exc_type']}({', '.join(map(repr, inner['exc_message']))})"

    def arguments(self, note: _Made, *kinds: Any) -> list[Any]:
        """Build the arguments, each of which must be of one of its kinds."""
        arguments = self.build(note.arguments)
        if type(arguments) is not tuple or len(arguments) > len(kinds):
            raise ValueError(f"{note.name} has other arguments than usual")
        for argument, kind in zip(arguments, kinds, strict=False):
            if not isinstance(argument, kind):
                raise ValueError(f"{note.name} has other arguments than usual")
        return list(arguments)


def _method(note: _Made) -> _Name | None:
    """Return the name that ``getattr`` would find for ZoneInfo, which is made by a method."""
    parts = _items(note.arguments)
    known = len(parts) == 2 and isinstance(parts[0], _Name) and isinstance(parts[1], str)
    if str(note.name) not in ("builtins.getattr", "__builtin__.getattr") or not known:
        return None
    return _Name(parts[0].module, f"{parts[0].attribute}.{parts[1]}")


def _is_known_exception(name: _Name) -> bool:
    """Return whether a name can be only that of an exception."""
    if name.module in ("builtins", "exceptions"):
        return name.attribute in EXCEPTIONS
    package, _dot, _rest = name.module.partition(".")
    return package in OWN_MODULES and name.attribute.endswith(("Error", "Exceeded", "Wrapper"))


def _may_be_exception(name: _Name) -> bool:
    """Return whether a name can be that of an exception with which a task failed."""
    if _is_known_exception(name):
        return True
    package, _dot, _rest = name.module.partition(".")
    if package in sys.stdlib_module_names or package in ("__builtin__", *OWN_MODULES):
        return name.attribute.endswith(("Error", "Exception"))
    return name.attribute.rpartition(".")[2][:1].isupper()


def _dict(items: list[Any]) -> dict[Any, Any]:
    keys = items[::2]
    _check_keys(keys)
    return dict(zip(keys, items[1::2], strict=True))


def _check_keys(keys: list[Any]) -> None:
    """Refuse keys that were chosen so that a dict has to compare each with each."""
    if {*map(type, keys)} <= {str, bytes}:
        return  # nobody can choose the hashes of these
    if max(Counter(map(hash, keys)).values()) > ALIKE:
        raise ValueError("many of its keys have the same hash")


def _bytes_of(note: Any, builder: _Builder) -> bytes:
    """Return bytes as every protocol keeps them: before the third, as text in Latin-1."""
    if isinstance(note, _Container) and note.make is _latin:
        note = note.items[0]  # from Python 2
    value = builder.build(note)
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


def _encoded(note: _Made, builder: _Builder) -> bytes:
    text, encoding = builder.arguments(note, str, str)
    if encoding != "latin1":
        raise ValueError("its bytes have a strange encoding")
    return text.encode("latin-1")


def _no_bytes_or_some(note: _Made, builder: _Builder) -> bytes:
    """Read ``bytes()`` and ``bytearray(b"...")``, which become bytes."""
    arguments = builder.arguments(note, (bytes, str), str)
    if len(arguments) == 2 and arguments[1] == "latin-1":
        return arguments[0].encode("latin-1")
    return bytes(*arguments)


def _date_parts(note: _Made, builder: _Builder, size: int) -> tuple[bytes, dt.tzinfo | None]:
    """Return the bytes in which Python pickles a date or time, and its zone."""
    if not isinstance(note.arguments, _Container) or not 1 <= len(note.arguments.items) <= 2:
        raise ValueError(f"{note.name} has other arguments than usual")
    first, *rest = note.arguments.items
    raw = _bytes_of(first, builder)
    zone = builder.build(rest[0]) if rest else None
    if len(raw) != size or not (zone is None or isinstance(zone, dt.tzinfo)):
        raise ValueError(f"{note.name} has other arguments than usual")
    return raw, zone


def _datetime(note: _Made, builder: _Builder) -> dt.datetime:
    raw, zone = _date_parts(note, builder, 10)
    month, fold = raw[2] & 127, raw[2] >> 7
    year = int.from_bytes(raw[:2], "big")
    microsecond = int.from_bytes(raw[7:], "big")
    day, hour, minute, second = raw[3:7]
    return dt.datetime(year, month, day, hour, minute, second, microsecond, zone, fold=fold)


def _date(note: _Made, builder: _Builder) -> dt.date:
    raw, _zone = _date_parts(note, builder, 4)
    return dt.date(int.from_bytes(raw[:2], "big"), *raw[2:])


def _time(note: _Made, builder: _Builder) -> dt.time:
    raw, zone = _date_parts(note, builder, 6)
    microsecond = int.from_bytes(raw[3:], "big")
    hour, fold = raw[0] & 127, raw[0] >> 7
    return dt.time(hour, raw[1], raw[2], microsecond, zone, fold=fold)


def _timedelta(note: _Made, builder: _Builder) -> dt.timedelta:
    return dt.timedelta(*builder.arguments(note, int, int, int))


def _timezone(note: _Made, builder: _Builder) -> dt.timezone:
    return dt.timezone(*builder.arguments(note, dt.timedelta, str))


def _pytz_utc(note: _Made, builder: _Builder) -> dt.timezone:
    builder.arguments(note)
    return dt.UTC


def _pytz_zone(note: _Made, builder: _Builder) -> dt.timezone:
    """Read a zone of pytz, which a pickle keeps with the offset that held at the time."""
    arguments = builder.arguments(note, str, int, int, str)
    if len(arguments) != 4:
        raise ValueError("its zone has no offset")
    return dt.timezone(dt.timedelta(seconds=arguments[1]), arguments[3])


@cache
def _zone_names() -> set[str]:
    return available_timezones()


def _zone(note: _Made, builder: _Builder) -> ZoneInfo:
    name, *_ = builder.arguments(note, str, int)
    if name not in _zone_names():
        raise ValueError(f"there is no time zone {name[:80]!r}")
    return ZoneInfo(name)


def _decimal(note: _Made, builder: _Builder) -> Decimal:
    (text,) = builder.arguments(note, str)
    return Decimal(text)


def _complex(note: _Made, builder: _Builder) -> complex:
    return complex(*builder.arguments(note, float, float))


def _uuid(note: _Made, builder: _Builder) -> UUID:
    state = builder.build(note.state)
    if not isinstance(state, dict) or type(state.get("int")) is not int:
        raise ValueError("its UUID has no number")
    return UUID(int=state["int"])


def _reconstructed(note: _Made, builder: _Builder) -> UUID:
    """Read a UUID of the protocols 0 and 1."""
    name = note.arguments.items[0] if isinstance(note.arguments, _Container) else None
    if not isinstance(name, _Name) or str(name) != "uuid.UUID":
        raise ValueError("it makes an object of an unknown class")
    return _uuid(note, builder)


def _ordered(note: _Made, builder: _Builder) -> OrderedDict[Any, Any]:
    builder.arguments(note)
    return OrderedDict(_dict([builder.build(item) for item in note.items]))


def _set_of(kind: type) -> Callable[[_Made, _Builder], Any]:
    def recipe(note: _Made, builder: _Builder) -> Any:
        values = (builder.arguments(note, list) or [[]])[0]
        _check_keys(values)
        return kind(values)

    return recipe


def _result(note: _Made, builder: _Builder) -> Any:
    """Read Celery's results: an AsyncResult with its parent, or a group of them."""
    name, items = str(note.name), _items(note.arguments)
    if name == "celery.app.base._unpickle_appattr":
        name, items = f"celery.result.{items[0]}", _items(items[1])
    task_id = builder.build(items[0])
    if name == "celery.result.GroupResult":
        return (task_id, None), [builder.build(item) for item in _items(items[1])]
    if name != "celery.result.AsyncResult" or not isinstance(task_id, str):
        raise ValueError("it holds an unknown result of Celery's")
    # Between them are the backend and the app, with all settings and the broker's password.
    parent = builder.build(items[4]) if len(items) > 4 else None
    return (task_id, parent), None


def _items(note: Any) -> list[Any]:
    if not isinstance(note, _Container):
        raise ValueError("a list is missing")
    return note.items


RECIPES: dict[str, Callable[[_Made, _Builder], Any]] = {
    "datetime.datetime": _datetime,
    "datetime.date": _date,
    "datetime.time": _time,
    "datetime.timedelta": _timedelta,
    "datetime.timezone": _timezone,
    "pytz._UTC": _pytz_utc,
    "pytz._p": _pytz_zone,
    "zoneinfo.ZoneInfo._unpickle": _zone,
    "decimal.Decimal": _decimal,
    "uuid.UUID": _uuid,
    "copy_reg._reconstructor": _reconstructed,
    "copyreg._reconstructor": _reconstructed,
    "collections.OrderedDict": _ordered,
    "_codecs.encode": _encoded,
    "celery.app.base._unpickle_appattr": _result,
    "celery.result.AsyncResult": _result,
    "celery.result.GroupResult": _result,
}
for _module in ("builtins", "__builtin__"):
    RECIPES[f"{_module}.set"] = _set_of(set)
    RECIPES[f"{_module}.frozenset"] = _set_of(frozenset)
    RECIPES[f"{_module}.bytes"] = RECIPES[f"{_module}.bytearray"] = _no_bytes_or_some
    RECIPES[f"{_module}.complex"] = _complex
