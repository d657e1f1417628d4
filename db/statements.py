"""Statements that SQLite and PostgreSQL share, though SQLAlchemy gives each its own."""

import json
from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    String,
    Table,
    TableClause,
    Update,
    UpdateBase,
    any_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import Join
from sqlalchemy.types import TypeEngine

from domain.ids import new_id

Row = Mapping[str, Any]
T = TypeVar("T")

# The 32 bits of a UUIDv7 that are left to chance, in hexadecimal digits.
_DIGITS = 8


def insert_into(conn: Connection, table: Table) -> Any:
    """Return the dialect's own INSERT, which has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def chunked(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield ``rows`` in lists of at most ``size``."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_ignore(
    conn: Connection, table: Table, rows: Sequence[Row], *, conflict: Sequence[str] | None = None
) -> int:
    """Insert ``rows`` and skip those whose key is taken; return how many went in.

    ``conflict`` names the columns of one unique key: other conflicts then raise. All rows must
    have the same columns.
    """
    if not rows:
        return 0
    statement = insert_into(conn, table).on_conflict_do_nothing(index_elements=conflict)
    # Without the option a plain psycopg connection answers -1.
    options = {"preserve_rowcount": True}
    return int(conn.execute(statement, list(rows), execution_options=options).rowcount)


def upsert(
    conn: Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    conflict: Sequence[str],
    update: Sequence[str] | None = None,
) -> None:
    """Insert ``rows``; where the key ``conflict`` is taken, set the columns ``update`` (default: others)."""
    if not rows:
        return
    statement = insert_into(conn, table)
    names = update if update is not None else [name for name in rows[0] if name not in conflict]
    statement = statement.on_conflict_do_update(
        index_elements=conflict, set_={name: statement.excluded[name] for name in names}
    )
    conn.execute(statement, list(rows))


def insert_from(
    dialect: str, table: Table, names: Sequence[str], rows: Select[Any], *, conflict: Sequence[str]
) -> Any:
    """Return an INSERT of what ``rows`` selects into the columns ``names`` that skips taken keys.

    ``rows`` must have a WHERE, which SQLite needs to tell where it ends.
    """
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return insert.from_select(names, rows, include_defaults=False).on_conflict_do_nothing(
        index_elements=conflict
    )


def undone_by_its_caller(statement: Update) -> Update:
    """Return an UPDATE of many rows that on SQLite undoes nothing itself where it fails.

    It need not keep a copy of each page that it changes, which is half of its time where each row is on
    pages of its own. Whoever catches its error must give up the transaction or its savepoint.
    """
    return statement.prefix_with("OR FAIL", dialect="sqlite")


class OnGiven:
    """A statement on SQLite that works on rows of values which are given with it, some hundreds at most.

    ``statement`` reads them from the table ``given`` and has no other values. They are written out in it, so
    that it is one step: one for each row would hand the interpreter to other threads as often, and have to
    wait for it where they are busy; as JSON they take longer to be read.
    """

    def __init__(self, statement: UpdateBase, given: TableClause) -> None:
        self._text = str(statement.compile(dialect=sqlite.dialect()))
        self._names = f"{given.name}({', '.join(given.c.keys())})"
        self._row = f"({', '.join('?' * len(given.c))})"

    def run(self, conn: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Run it on ``rows``, at least one, whose values are as SQLite keeps them."""
        written_out = ", ".join([self._row] * len(rows))
        text = f"WITH {self._names} AS (VALUES {written_out}) {self._text}"
        conn.exec_driver_sql(text, tuple(chain.from_iterable(rows)))


class AsOne:
    """A SELECT whose rows come in one step also on SQLite, where each would hand the interpreter over.

    The columns need names of their own, rows come in any order, and values go as the driver takes them.
    """

    def __init__(self, statements: Mapping[str, Select[Any]]) -> None:
        """``statements`` has one for each dialect."""
        self._plain = statements["postgresql"]
        found, dialect = statements["sqlite"].subquery("found"), sqlite.dialect()
        gathered = select(func.json_group_array(func.json_array(*found.c))).compile(dialect=dialect)
        self._gathered, self._values = gathered.string, gathered.params
        self._names = gathered.positiontup or ()
        self._row = namedtuple("Row", found.c.keys())  # type: ignore[misc]
        processors = ((n, c.type.result_processor(dialect, None)) for n, c in enumerate(found.c))
        self._processors = [(n, process) for n, process in processors if process is not None]

    def all(self, conn: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the rows, whose values have their names."""
        rows = self.nameless(conn, values)
        return rows if conn.dialect.name == "postgresql" else [self._row(*row) for row in rows]

    def nameless(self, conn: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the rows, for those who read thousands of them: as values in the order of the columns."""
        if conn.dialect.name == "postgresql":
            return conn.execute(self._plain, values).all()
        bound = {**self._values, **values}
        given = tuple(bound[name] for name in self._names)
        rows = json.loads(conn.exec_driver_sql(self._gathered, given).scalar_one())
        for row in rows:
            for number, process in self._processors:
                row[number] = process(row[number])
        return list(rows)


def counted(conn: Connection, statement: Any, values: Mapping[str, Any]) -> int:
    """Run a statement that writes; return how many rows it did."""
    # Without the option a plain psycopg connection answers -1.
    return int(conn.execute(statement, values, execution_options={"preserve_rowcount": True}).rowcount)


def listed(dialect: str, name: str, **columns: TypeEngine[Any]) -> FromClause:
    """Return a list of rows that is given as a value, however long, as something to select from.

    Its value is bound by what ``list_of`` returns of the rows.
    """
    given = bindparam(name, type_=String())
    if dialect == "postgresql":
        # Not arrays, one for each column: psycopg looks at each of their values in Python.
        rows = func.jsonb_array_elements(cast(given, postgresql.JSONB(none_as_null=True)))
        each = rows.table_valued(column("value", postgresql.JSONB), name=f"{name}_each").render_derived()
        values = [
            cast(each.c.value[n].astext, kind).label(field) for n, (field, kind) in enumerate(columns.items())
        ]
        # It takes a list for a hundred rows, and would rather read a table of ten thousand than look them up.
        # Of a limit that it cannot know it expects a tenth; knowing it, it would plan anew each time.
        count = select(bindparam(f"{name}_count", type_=Integer())).scalar_subquery()
        return select(*values).limit(count).subquery(name)
    each = func.json_each(given).table_valued("value", name=f"{name}_each")
    values = [
        func.json_extract(each.c.value, f"$[{n}]", type_=kind).label(field)
        for n, (field, kind) in enumerate(columns.items())
    ]
    return select(*values).subquery(name)


def list_of(name: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return the values by which ``rows`` are bound to what ``listed`` returned; instants as text."""
    return {name: json.dumps(rows), f"{name}_count": len(rows)}


def one_of(dialect: str, wanted: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Return whether ``wanted`` is among ids that are given as a value ``name``, however many.

    They are looked up one after the other: SQLite would join a list last, as it does not know how short it
    is. The value is what ``among`` returns of them.
    """
    given = bindparam(name, type_=String())
    if dialect == "postgresql":
        # psycopg takes long to make an array of thousands.
        return wanted == any_(func.string_to_array(given, ",", type_=ARRAY(String())))
    each = func.json_each(given).table_valued("value")
    return wanted.in_(select(each.c.value))


def among(dialect: str, ids: Sequence[str]) -> str:
    """Return the value of ``ids`` for ``one_of``."""
    return ",".join(ids) if dialect == "postgresql" else json.dumps(ids)


def gathered(conn: Connection, ids: Select[str]) -> str:
    """Return the value for ``one_of`` of what ``ids`` selects, in its order, which the database makes."""
    found = ids.subquery("found")
    if conn.dialect.name == "postgresql":
        return str(conn.execute(select(func.coalesce(func.string_agg(found.c[0], ","), ""))).scalar_one())
    return str(conn.execute(select(func.json_group_array(found.c[0]))).scalar_one())


class Lookups(Join):
    """A join in which SQLite looks the right side's rows up for each of the left; it asks for no such order.

    Left to itself it may go through all rows of a list for each row of a table.
    """

    inherit_cache = True


@compiles(Lookups, "sqlite")
def _in_this_order(join: Lookups, compiler: SQLCompiler, **how: Any) -> str:
    # What it says already is that they belong together, be it by no condition.
    how["from_linter"] = None
    parts: tuple[Any, ...] = (join.left, join.right, join.onclause)
    left, right, on = (compiler.process(part, **how) for part in parts)
    return f"{left} CROSS JOIN {right} ON {on}"


class RisingIds:
    """Ids for the rows of one statement: a fresh UUIDv7 whose 32 random bits at the end give way to a number.

    Rising ids go to the end of the primary key's index; random ones halve the rate of a large statement. What
    comes before those bits is a millisecond and a counter, so these ids come after all that this process has
    made before them, and before all that it makes later, also within a millisecond.
    """

    def __init__(self) -> None:
        self.front = new_id()[:-_DIGITS]
        self.first, self.last = self.front + "0" * _DIGITS, self.front + "f" * _DIGITS

    @staticmethod
    def of(dialect: str, number: ColumnElement[int]) -> ColumnElement[str]:
        """Return the id of the row with this ``number``, in a statement to which ``front`` is given."""
        front = bindparam("front", type_=String())
        if dialect == "postgresql":
            return front + func.lpad(func.to_hex(number), _DIGITS, "0")
        return front + func.printf(f"%0{_DIGITS}x", number, type_=String())


def json_of(dialect: str, pairs: Mapping[str, ColumnElement[Any]]) -> ColumnElement[Any]:
    """Return a JSON object that the database makes."""
    given: list[Any] = []
    for name, value in pairs.items():
        if dialect == "sqlite" and isinstance(value.type, Boolean):
            # SQLite knows numbers only.
            value = func.json(case((value, "true"), else_="false"))
        given += [literal(name, String()), value]
    return func.json_object(*given) if dialect == "sqlite" else func.jsonb_build_object(*given)
