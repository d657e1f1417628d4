"""CSV files as spreadsheets write them: read row by row, every unreadable row named with its line."""

import codecs
import csv
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Final, NamedTuple

from engine.errors import EngineError

_PEEK: Final = 65_536
_PROGRESS_LINES: Final = 500
_DELIMITERS: Final = ",;\t"
_UNDECODED: Final = re.compile("[\udc80-\udcff]")


class Columns(NamedTuple):
    """The columns that a file must and may have; names are compared without regard to case.

    ``known_as`` gives other names of columns and what they are called here.
    """

    required: Collection[str]
    optional: Collection[str]
    known_as: Mapping[str, str] = {}


class Line(NamedTuple):
    """One row: the line that it begins on, and its cells without surrounding blanks; empty ones left out."""

    number: int
    cells: dict[str, str]


class BadLine(NamedTuple):
    """A row that cannot be used: its line, and why."""

    number: int
    reason: str


class UnusableFile(EngineError):
    """The file as a whole cannot be read; the message is one line for people."""


def read_csv(
    path: Path, columns: Columns, progress: Callable[[int], object] = lambda position: None
) -> Iterator[Line | BadLine]:
    """Yield the rows of ``path`` (UTF-8, with or without BOM; comma, semicolon or tab).

    ``progress`` is told the position in bytes now and then. Raises ``UnusableFile`` if the file is
    missing, not UTF-8 text, or without the header.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UnusableFile(f"{path}: {error.strerror or error}") from error
    with raw:
        _check_encoding(path, raw)
        # Undecodable bytes are kept as surrogates, so that they spoil their own row only.
        text = TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        names, delimiter = _header(path, text.readline(_PEEK), columns)
        for line in _rows(text, names, delimiter):
            if line.number % _PROGRESS_LINES == 0:
                progress(raw.tell())
            yield line


def _check_encoding(path: Path, raw: BufferedReader) -> None:
    try:
        start = raw.read(_PEEK)
    except OSError as error:
        raise UnusableFile(f"{path}: {error.strerror or error}") from error
    raw.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnusableFile(f"{path}: this is UTF-16; save it as CSV in UTF-8")
    if b"\x00" in start:
        raise UnusableFile(f"{path}: this is not a text file; a CSV file in UTF-8 is needed")
    if not start.strip(codecs.BOM_UTF8 + b" \r\n\t"):
        raise UnusableFile(f"{path}: the file is empty")


def _header(path: Path, header: str, columns: Columns) -> tuple[list[str], str]:
    """Return the names of the columns, lower case, and what separates them."""
    delimiter = max(_DELIMITERS, key=header.count)
    try:
        cells = next(csv.reader([header], delimiter=delimiter, strict=True), [])
    except csv.Error:
        cells = []
    typed = (cell.strip().casefold() for cell in cells)
    names = [columns.known_as.get(name, name) for name in typed]
    missing = [name for name in columns.required if name not in names]
    if missing:
        raise UnusableFile(f"{path}: the first line must name the columns; missing: {', '.join(missing)}")
    unknown = [name for name in names if name not in columns.required and name not in columns.optional]
    if unknown:
        allowed = ", ".join([*columns.required, *columns.optional])
        raise UnusableFile(f"{path}: unknown column {unknown[0]!a}; possible are {allowed}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UnusableFile(f"{path}: the column {twice} is there twice")
    return names, delimiter


class _Lines:
    """The lines after the header, of which those of a row that is unreadable can be read again.

    A quote that is not closed takes the lines after it along, up to the next quote.
    """

    def __init__(self, text: Iterator[str]) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self._row: list[str] = []
        self._number = 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self._row.append(line)
        self._number += 1
        return line

    def begin_row(self) -> int:
        """Return the number of the line that comes next."""
        self._row.clear()
        return self._number + 1

    def back_to_second(self) -> None:
        """Go back to the second line of the row, if it has one."""
        rest = self._row[1:]
        self._again.extendleft(reversed(rest))
        self._number -= len(rest)


def _rows(text: TextIOWrapper, names: list[str], delimiter: str) -> Iterator[Line | BadLine]:
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.back_to_second()
            yield BadLine(number, f"unreadable: {error}")
            continue
        if any(cell.strip() for cell in cells):
            yield _line(number, cells, names)


def _line(number: int, cells: list[str], names: list[str]) -> Line | BadLine:
    if len(cells) > len(names):
        return BadLine(number, f"{len(cells)} cells, but the header names {len(names)}")
    if any(_UNDECODED.search(cell) for cell in cells):
        return BadLine(number, "not UTF-8; save the file as CSV in UTF-8")
    stripped = (cell.strip(" ") for cell in cells)
    return Line(number, {name: cell for name, cell in zip(names, stripped, strict=False) if cell})
