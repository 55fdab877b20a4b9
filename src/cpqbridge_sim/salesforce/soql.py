"""SOQL text to a syntax tree. Whatever this grammar does not know is MALFORMED_QUERY, never ignored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput

from cpqbridge_sim.salesforce import values
from cpqbridge_sim.salesforce.errors import SoqlError

MAX_STATEMENT_CHARACTERS = 100_000
MAX_STRING_CHARACTERS = 4_000
MAX_NESTED_CONDITIONS = 40
CACHED_QUERIES = 2_000
MAX_LIMIT_DIGITS = 9

_GRAMMAR = r"""
start: query
query: _SELECT select_list _FROM NAME where? group? order? limit?
select_list: select_item ("," select_item)*
?select_item: path | child | count_all | count | fields
path: NAME ("." NAME)*
child: "(" query ")"
count_all: _COUNT "(" ")"
count: _COUNT "(" path ")" NAME?
fields: _FIELDS "(" NAME ")"
where: _WHERE condition
?condition: term | conjunction | disjunction
conjunction: term (_AND term)+
disjunction: term (_OR term)+
?term: comparison | group_of | negation
group_of: "(" condition ")"
negation: _NOT term
comparison: path OPERATOR value              -> compare
          | path LIKE STRING                 -> like
          | path inclusion list              -> in_list
          | path inclusion child             -> in_query
          | path MULTI list                  -> multi
inclusion: IN -> is_in
         | _NOT IN -> not_in
list: "(" value ("," value)* ")"
value: STRING -> string
     | DATETIME -> datetime
     | DATE -> date
     | NUMBER -> number
     | _NULL -> null
     | _TRUE -> true
     | _FALSE -> false
group: _GROUP_BY path ("," path)*
order: _ORDER_BY order_item ("," order_item)*
order_item: path DIRECTION? NULLS?
limit: _LIMIT NUMBER
_SELECT.3: /SELECT\b/i
_FROM.3: /FROM\b/i
_WHERE.3: /WHERE\b/i
_AND.3: /AND\b/i
_OR.3: /OR\b/i
_NOT.3: /NOT\b/i
IN.3: /IN\b/i
LIKE.3: /LIKE\b/i
MULTI.3: /(INCLUDES|EXCLUDES)\b/i
_NULL.3: /NULL\b/i
_TRUE.3: /TRUE\b/i
_FALSE.3: /FALSE\b/i
_COUNT.3: /COUNT(?=\s*\()/i
_FIELDS.3: /FIELDS(?=\s*\()/i
_GROUP_BY.4: /GROUP\s+BY\b/i
_ORDER_BY.4: /ORDER\s+BY\b/i
_LIMIT.3: /LIMIT\b/i
DIRECTION.3: /(ASC|DESC)\b/i
NULLS.3: /NULLS\s+(FIRST|LAST)\b/i
OPERATOR: /<=|>=|!=|<>|=|<|>/
STRING: /'(?:[^'\\]|\\.)*'/s
DATETIME.5: /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})/
DATE.4: /\d{4}-\d{2}-\d{2}(?![\dT])/
NUMBER.3: /[+-]?\d+(\.\d+)?(?![\w.])/
NAME: /[A-Za-z][A-Za-z0-9_]*/
%ignore /[ \t\r\n]+/
"""
_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": "\b",
    "f": "\f",
    '"': '"',
    "'": "'",
    "\\": "\\",
}
_WILDCARDS = frozenset("_%")


@dataclass(frozen=True, slots=True)
class Path:
    """A field, perhaps through parents: `Order.Account.Name` has three names."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Count:
    """`COUNT(field)` with an optional alias; without a field it is the bare `COUNT()`."""

    path: Path | None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class FieldSet:
    """`FIELDS(ALL)`, `FIELDS(CUSTOM)` or `FIELDS(STANDARD)`; the name is in capitals."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in a condition. `kind` is string, number, date, datetime, boolean or null."""

    kind: str
    value: values.Value
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field against values. `operator` is one of `= != < <= > >= LIKE IN NOT IN INCLUDES EXCLUDES`."""

    path: Path
    operator: str
    literals: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class SemiJoin:
    """A field in, or not in, the ids another query finds."""

    path: Path
    negated: bool
    query: Query


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by AND (all) or OR (any)."""

    parts: tuple[Condition, ...]
    all_of: bool
    depth: int


@dataclass(frozen=True, slots=True)
class Negation:
    """The opposite of a condition."""

    part: Condition
    depth: int


Condition = Comparison | SemiJoin | Junction | Negation


@dataclass(frozen=True, slots=True)
class Ordering:
    """One sort key; empty values come first unless said otherwise."""

    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One SELECT, of the whole statement or inside it."""

    select: tuple[Path | Count | FieldSet | Query, ...]
    object_name: str
    where: Condition | None = None
    group_by: tuple[Path, ...] = ()
    order_by: tuple[Ordering, ...] = ()
    limit: int | None = None


def parse(text: str) -> Query:
    """The syntax tree of a statement; equal statements are parsed once.

    Raises:
        SoqlError: MALFORMED_QUERY with the place of the first surprise.
    """
    if len(text) > MAX_STATEMENT_CHARACTERS:
        raise SoqlError("MALFORMED_QUERY", "SOQL statements cannot be longer than 100,000 characters.")
    return _parse(text)


@lru_cache(maxsize=CACHED_QUERIES)
def _parse(text: str) -> Query:
    try:
        tree: Any = _parser().parse(text)
    except UnexpectedInput as error:
        raise SoqlError("MALFORMED_QUERY", _surprise(text, error)) from None
    query: Query = tree
    return query


def _surprise(text: str, error: UnexpectedInput) -> str:
    line, column = max(error.line, 1), max(error.column, 1)
    token = getattr(error, "token", None)
    found = str(token) if token else next(iter(re.findall(r"\S+", text[error.pos_in_stream or 0 :])), "<EOF>")
    if token is not None and token.type == "$END":
        found = "<EOF>"
    shown = text.splitlines()[line - 1 : line]
    quoted = "".join(shown)
    return (
        f"\n{quoted}\n{' ' * (column - 1)}^\nERROR at Row:{line}:Column:{column}\nunexpected token: '{found}'"
    )


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Builder(), g_regex_flags=re.ASCII)


def _unescape(token: str) -> str:
    """The text of a quoted string; escaped wildcards keep their backslash, which only LIKE reads."""
    body = token[1:-1]
    if len(body) > MAX_STRING_CHARACTERS:
        raise SoqlError("MALFORMED_QUERY", "A string in a WHERE clause cannot exceed 4,000 characters.")
    parts: list[str] = []
    position = 0
    while position < len(body):
        character = body[position]
        if character == "\\":
            position += 1
            escaped = body[position]
            if escaped in _WILDCARDS:
                parts.append("\\" + escaped)
            elif escaped in _ESCAPES:
                # A backslash in front of a wildcard must stay tellable from an escaped one in LIKE.
                parts.append("\\\\" if escaped == "\\" else _ESCAPES[escaped])
            else:
                raise SoqlError("MALFORMED_QUERY", f"Illegal character sequence '\\{escaped}' in string")
        else:
            parts.append(character)
        position += 1
    return "".join(parts)


def plain_text(unescaped: str) -> str:
    """The text of a string literal outside LIKE."""
    return re.sub(r"\\([_%\\])", r"\1", unescaped)


def _depth(condition: Condition) -> int:
    return condition.depth if isinstance(condition, (Junction, Negation)) else 0


def _deeper(*parts: Condition) -> int:
    depth = 1 + max(_depth(part) for part in parts)
    if depth > MAX_NESTED_CONDITIONS:
        raise SoqlError("QUERY_TOO_COMPLICATED", "Query is either selecting too many fields or too deep")
    return depth


@v_args(inline=True)
class _Builder(Transformer[Token, Query]):
    """Builds the tree while parsing; each method is called for the rule of its name."""

    def start(self, query: Query) -> Query:
        return query

    def query(self, select: tuple[Any, ...], name: Token, *clauses: tuple[str, Any]) -> Query:
        return Query(select=select, object_name=str(name), **dict(clauses))

    def select_list(self, *items: Any) -> tuple[Any, ...]:
        return items

    def path(self, *names: Token) -> Path:
        return Path(tuple(str(name) for name in names))

    def child(self, query: Query) -> Query:
        return query

    def count_all(self) -> Count:
        return Count(None)

    def count(self, path: Path, alias: Token | None = None) -> Count:
        return Count(path, None if alias is None else str(alias))

    def fields(self, name: Token) -> FieldSet:
        return FieldSet(str(name).upper())

    def where(self, condition: Condition) -> tuple[str, Condition]:
        return "where", condition

    def conjunction(self, *parts: Condition) -> Condition:
        return Junction(parts, all_of=True, depth=_deeper(*parts))

    def disjunction(self, *parts: Condition) -> Condition:
        return Junction(parts, all_of=False, depth=_deeper(*parts))

    def group_of(self, condition: Condition) -> Condition:
        return condition

    def negation(self, condition: Condition) -> Condition:
        return Negation(condition, depth=_deeper(condition))

    def compare(self, path: Path, operator: Token, literal: Literal) -> Comparison:
        return Comparison(path, "!=" if operator == "<>" else str(operator), (literal,))

    def like(self, path: Path, _like: Token, text: Token) -> Comparison:
        return Comparison(path, "LIKE", (self.string(text),))

    def in_list(self, path: Path, inclusion: str, literals: tuple[Literal, ...]) -> Comparison:
        return Comparison(path, inclusion, literals)

    def in_query(self, path: Path, inclusion: str, query: Query) -> SemiJoin:
        return SemiJoin(path, inclusion == "NOT IN", query)

    def multi(self, path: Path, operator: Token, literals: tuple[Literal, ...]) -> Comparison:
        return Comparison(path, str(operator).upper(), literals)

    def is_in(self, _in: Token) -> str:
        return "IN"

    def not_in(self, _in: Token) -> str:
        return "NOT IN"

    def list(self, *literals: Literal) -> tuple[Literal, ...]:
        return literals

    def string(self, token: Token) -> Literal:
        unescaped = _unescape(str(token))
        return Literal("string", plain_text(unescaped), unescaped)

    def datetime(self, token: Token) -> Literal:
        moment = values.parse_datetime(str(token))
        if moment is None:
            raise SoqlError("MALFORMED_QUERY", f"Invalid datetime: {token}")
        return Literal("datetime", values.datetime_text(moment), str(token))

    def date(self, token: Token) -> Literal:
        if not values.is_date(str(token)):
            raise SoqlError("MALFORMED_QUERY", f"Invalid date: {token}")
        return Literal("date", str(token), str(token))

    def number(self, token: Token) -> Literal:
        return Literal("number", Decimal(str(token)), str(token))

    def null(self) -> Literal:
        return Literal("null", None, "null")

    def true(self) -> Literal:
        return Literal("boolean", True, "true")

    def false(self) -> Literal:
        return Literal("boolean", False, "false")

    def group(self, *paths: Path) -> tuple[str, tuple[Path, ...]]:
        return "group_by", paths

    def order(self, *orderings: Ordering) -> tuple[str, tuple[Ordering, ...]]:
        return "order_by", orderings

    def order_item(self, path: Path, *flags: Token) -> Ordering:
        words = " ".join(flag.upper() for flag in flags)
        return Ordering(path, descending="DESC" in words, nulls_last="LAST" in words)

    def limit(self, token: Token) -> tuple[str, int]:
        if not token.isdecimal() or len(token) > MAX_LIMIT_DIGITS:
            raise SoqlError("MALFORMED_QUERY", f"LIMIT must be a whole number below 10^9, not {token[:20]}")
        return "limit", int(token)
