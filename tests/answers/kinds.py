"""Wrong answers of the kinds that every exercise must refuse."""

LIAR = """
class Liar:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __hash__(self):
        return 0

    def __bool__(self):
        return True


"""
LIAR_TEXT = """
class Text(str):
    __hash__ = str.__hash__

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


"""

# Bodies of a function, and a part of what the check says: always for which case, and where.
FUNCTION = {
    LIAR + "return Liar()": "For ",
    LIAR_TEXT + "return Text('done')": "For ",
    "yield 5": "For ",
    "return NotImplemented": "For ",
    "return print": "For ",
    "raise LookupError('later')": "raised , at the line: raise LookupError('later')",
    "import sys\n\nsys.exit(0)": "raised , at the line: sys.exit(0)",
    "import sqlalchemy as sa\n\n"
    "with sa.create_engine('sqlite://').connect() as connection:\n"
    "    return connection.execute(sa.text('SELECT 1 WHERE 0')).one()": (
        "raised , at the line: return connection.execute"
    ),
    "import pyarrow\n\nreturn pyarrow.array([1, 'two'])": "raised , at the line: return pyarrow",
}


def value(*names: str) -> dict[str, str]:
    """Return wrong answers for an exercise that asks for the values of these names."""
    assign = " = ".join(names)
    return {
        f"{LIAR}{assign} = Liar()": "",
        f"{LIAR_TEXT}{assign} = Text('done')": "",
        f"{assign} = NotImplemented": "",
        f"{assign} = print": "",
    }
