"""Reads what the API's own document says of its inputs: where each has its limits, and what lies beyond."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Schema = dict[str, Any]
Path = tuple[str | int, ...]

NUL: Final = "a\x00b"
LINES: Final = "a\r\nBcc: x@people.example"
HALF: Final = "a\ud800b"
UNFORESEEN: Final = "unforeseen"
SOME_ID: Final = "11111111-1111-7111-8111-111111111111"

# What fits a pattern, a format or a validator that the document does not spell out.
BY_FORMAT: Final = {"date": "2099-01-05", "date-time": "2026-01-05T08:00:00Z"}
WIDE: Final = "\U0001f34a"
BY_NAME: Final[dict[str, Any]] = {
    "actor_reference": "account-1",
    "claimed": "me",
    "code": "123456",
    "duration": "P1D",
    "email": "somebody@people.example",
    "invite_code": "A1B2C3",
    "link": "https://people.example/a",
    "links": "https://people.example/a",
    "nonce": "n" * 32,
    "process": f"application/{SOME_ID}",
    "template": "learning_plan",
    "time_zone": "UTC",
    "token": "t" * 43,
    "totp": "123456",
}


@dataclass(frozen=True)
class Place:
    """A place in a body: ``path`` leads there, by ``choices`` between forms; ``nullable`` takes null."""

    path: Path
    schema: Schema
    nullable: bool = False
    choices: Mapping[Path, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The place as a problem document names it."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text or "body"

    @property
    def field(self) -> str:
        """The nearest name: of an item of a list, the list's."""
        return next((part for part in reversed(self.path) if isinstance(part, str)), "body")


class Document:
    """The OpenAPI document; ``keys`` are those of objects that name theirs nowhere, by the object's name."""

    def __init__(self, document: Schema, keys: Mapping[str, tuple[str, ...]]) -> None:
        self._document = document
        self._keys = keys

    def operations(self) -> Iterator[tuple[str, str, Schema]]:
        """Return method, path and description of every call."""
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def body_of(self, operation: Schema) -> Schema | None:
        """Return the schema of an operation's JSON body; None for a call that takes none."""
        found = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return None if found is None else found["schema"]

    def known(self, schema: Schema) -> Schema:
        """Return what a reference leads to."""
        while "$ref" in schema:
            schema = self._document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def forms(self, schema: Schema) -> tuple[list[Schema], bool]:
        """Return the alternatives of a schema, and whether null is one."""
        schema = self.known(schema)
        listed = [self.known(one) for one in schema.get("anyOf") or schema.get("oneOf") or [schema]]
        return [one for one in listed if one.get("type") != "null"], len(listed) > 1 and any(
            one.get("type") == "null" for one in listed
        )

    def places(
        self, schema: Schema, path: Path = (), choices: Mapping[Path, int] | None = None
    ) -> Iterator[Place]:
        """Return every place in bodies of ``schema``, a place that has several forms once for each."""
        forms, nullable = self.forms(schema)
        for number, form in enumerate(forms):
            chosen = dict(choices or {}) | ({path: number} if len(forms) > 1 else {})
            yield Place(path, form, nullable, chosen)
            for key, inner in self._inside(form, path):
                yield from self.places(inner, (*path, key), chosen)

    def _inside(self, form: Schema, path: Path) -> Iterator[tuple[str | int, Schema]]:
        if form.get("type") == "array":
            yield 0, form["items"]
        yield from form.get("properties", {}).items()
        if isinstance(form.get("additionalProperties"), dict):
            for key in self.keys_of(form, path):
                yield key, form["additionalProperties"]

    def keys_of(self, form: Schema, path: Path) -> tuple[str, ...]:
        """Return keys of an object that has no properties of its own."""
        named = self.known(form.get("propertyNames", {})).get("enum")
        return tuple(named) if named else self._keys[str(path[-1])]

    def example(self, schema: Schema, choices: Mapping[Path, int], path: Path = ()) -> Any:
        """Return the fullest body of ``schema``, with one item in every list."""
        forms, _ = self.forms(schema)
        form = forms[choices.get(path, 0)]
        name = next((part for part in reversed(path) if isinstance(part, str)), "")
        kind = form.get("type")
        if kind == "array":
            return [self.example(form["items"], choices, (*path, 0))]
        if kind == "object":
            return {key: self.example(one, choices, (*path, key)) for key, one in self._inside(form, path)}
        return scalar(name, form)


def scalar(name: str, form: Schema) -> Any:
    """Return a value that fits, for a ``form`` that is neither list nor object."""
    if "enum" in form or "const" in form:
        return form["const"] if "const" in form else form["enum"][0]
    if name in BY_NAME and form.get("type") == "string":
        return BY_NAME[name]
    if "default" in form and form["default"] not in (None, ""):
        return form["default"]
    kind = form.get("type")
    if kind == "boolean":
        return False
    if kind in {"integer", "number"}:
        return form.get("minimum", 1)
    if "[0-9a-f]{12}" in form.get("pattern", "") or form.get("minLength") == 36:
        return SOME_ID
    return BY_FORMAT.get(form.get("format", ""), "a" * max(form.get("minLength", 1), 1))


def replaced(body: Any, path: Path, value: Any) -> Any:
    """Return ``body`` with ``value`` at ``path``."""
    if not path:
        return value
    copied = copy.deepcopy(body)
    inner = copied
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return copied


def at(body: Any, path: Path) -> Any:
    """Return what is at ``path``."""
    for part in path:
        body = body[part]
    return body


def within(place: Place, valid: Any) -> Iterator[Any]:
    """Return what fits just so at ``place``, where ``valid`` does: the ends of its limits, each choice."""
    form, kind = place.schema, place.schema.get("type")
    if place.nullable:
        yield None
    if "enum" in form:
        yield from form["enum"]
    elif kind in {"integer", "number"}:
        yield from (form[end] for end in ("minimum", "maximum") if end in form)
    elif kind == "boolean":
        yield from (True, False)
    elif kind == "array" and "maxItems" in form:
        yield [varied(valid[0], number) for number in range(form["maxItems"])]
        if not form.get("minItems"):
            yield []
    elif kind == "string" and "maxLength" in form and "pattern" not in form:
        yield from _within_text(place.field, form)


def _within_text(name: str, form: Schema) -> Iterator[str]:
    if name in {"link", "links"}:
        yield BY_NAME[name].ljust(form["maxLength"], "a")
    elif name not in BY_NAME:
        yield from (WIDE * form["maxLength"], "a" * max(form.get("minLength", 1), 1))


def varied(item: Any, number: int) -> Any:
    """Return the ``number``-th of several items like ``item``, all different where they can be."""
    if isinstance(item, dict):
        return {key: varied(value, number) for key, value in item.items()}
    if isinstance(item, bool | list):
        return item
    if isinstance(item, int | float):
        return item + number
    if item == SOME_ID:
        return f"{SOME_ID[:-4]}{number:04d}"
    return f"{item}{number}" if item in {"a", BY_NAME["links"]} else item


def boundless(form: Schema) -> bool:
    """Tell whether ``form`` has no end: a string, a list or a number as large as one likes."""
    kind = form.get("type")
    if "enum" in form or "const" in form:
        return False
    if kind == "string":
        return "maxLength" not in form and form.get("format") not in {"date", "date-time", "binary"}
    if kind in {"integer", "number"}:
        return not (
            {"minimum", "exclusiveMinimum"} & set(form) and {"maximum", "exclusiveMaximum"} & set(form)
        )
    if kind == "array":
        # A set of choices ends with them.
        return "maxItems" not in form and not form.get("uniqueItems")
    if kind == "object":
        return form.get("additionalProperties") is not False and not (
            "maxProperties" in form or "propertyNames" in form
        )
    return kind != "boolean"


def beyond(place: Place, valid: Any) -> Iterator[tuple[str, Any]]:
    """Return what does not fit at ``place``, where ``valid`` would: a word for it and the value."""
    form, kind = place.schema, place.schema.get("type")
    if not place.nullable:
        yield "null", None
    if kind == "string":
        yield from _beyond_text(form)
    elif kind in {"integer", "number"}:
        yield from _beyond_numbers(form)
    elif kind == "boolean":
        yield from (("a word", "perhaps"), ("a list", []), ("a number", 7))
    elif kind == "array":
        yield from (("a word", "a"), ("an object", {"a": 1}))
        if "maxItems" in form:
            yield "too many", valid * (form["maxItems"] + 1)
        if form.get("minItems"):
            yield "too few", []
    elif kind == "object":
        yield from (("a word", "a"), ("a number", 7))


def _beyond_text(form: Schema) -> Iterator[tuple[str, Any]]:
    yield from (("a number", 7), ("a list", ["a"]), ("an object", {"a": 1}), ("yes", True))
    yield from (("NUL", NUL), ("half a character", HALF))
    if form.get("format") in BY_FORMAT:
        yield from (("seconds", 4_070_908_800), ("seconds as text", "4070908800"), ("no day", "2099-02-30"))
    if form.get("format") == "date-time":
        yield "no offset", "2026-01-05T08:00:00"
    if "enum" in form or "const" in form or "format" in form:
        yield from (("unknown", UNFORESEEN), ("empty", ""))
    if "maxLength" in form:
        yield "too long", "a" * (form["maxLength"] + 1)
        yield "much too long", "界" * (form["maxLength"] + 1000)
    if form.get("minLength"):
        yield "too short", "a" * (form["minLength"] - 1)
        if not re.search(form.get("pattern", "[^ ]"), " " * form["minLength"]):
            yield "blank", " " * form["minLength"]
    if "pattern" in form:
        yield "out of pattern", "\u00e9" * max(form.get("minLength", 1), 1)


def _beyond_numbers(form: Schema) -> Iterator[tuple[str, Any]]:
    yield from (("a word", "many"), ("a list", [1]), ("an object", {"a": 1}))
    yield from (
        ("not a number", float("nan")),
        ("endless", float("inf")),
        ("huge", 10**30),
        ("deep", -(10**30)),
    )
    if form["type"] == "integer":
        yield "a fraction", form.get("minimum", 0) + 0.5
    if "minimum" in form:
        yield "too small", form["minimum"] - 1
    if "exclusiveMinimum" in form:
        yield "just too small", form["exclusiveMinimum"]
    if "maximum" in form:
        yield from (("too large", form["maximum"] + 1), ("just too large", form["maximum"] + 0.001))
