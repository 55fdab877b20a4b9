"""An admin's SOQL condition, read by a grammar of our own before anything of it is sent.

What the grammar does not know is refused. So a condition can neither leave the parentheses it is put in nor
bring a clause of its own: comments, further clauses, bind variables and unknown characters are no tokens of
it. The org's own parser still decides whether the fields and values are right. Unicode escapes in texts are
left out on purpose: the character itself says the same.

Source: Salesforce, "SOQL and SOSL Reference": conditionExpression syntax, comparison operators, quoted string
escape sequences, date formats and date literals, date functions, semi-joins and anti-joins (read
21 Nov 2026).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cpqbridge.errors import ConfigurationError

LONGEST = 10_000
"""How many characters a condition may have; whole queries are limited to 100,000."""
DEEPEST = 20
"""How many parentheses and NOTs may stand inside each other."""

_STRING = re.compile(r"'(?:[^'\\\x00-\x1f\x7f]|\\[nNrRtTbBfF\"'\\_%])*'")
_TOKENS = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<instant>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})(?![\w.]))"
    r"|(?P<date>\d{4}-\d{2}-\d{2}(?![\w.:-]))"
    r"|(?P<number>[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?![\w.]))"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*(?![\w.]))"
    r"|(?P<operator><=|>=|!=|<>|=|<|>)"
    r"|(?P<mark>[(),:])",
    re.ASCII,
)
_WORDS = re.compile(
    r"AND|AS|ASC|DESC|EXCLUDES|FIRST|FOR|FROM|GROUP|HAVING|IN|INCLUDES|LAST|LIKE|LIMIT|NOT|NULL|NULLS|OFFSET|OR"
    r"|ORDER|SCOPE|SELECT|TRUE|FALSE|TYPEOF|UPDATE|USING|WHERE|WITH"
)
_OBJECTS_NAMED_LIKE_WORDS = frozenset({"ORDER", "GROUP"})
_COMPARISONS = frozenset({"LIKE", "INCLUDES", "EXCLUDES", "IN", "NOT"})
_FUNCTIONS = re.compile(
    r"(?:CALENDAR|FISCAL)_(?:MONTH|QUARTER|YEAR)|DAY_IN_(?:WEEK|MONTH|YEAR)|DAY_ONLY|HOUR_IN_DAY"
    r"|WEEK_IN_(?:MONTH|YEAR)|TOLABEL"
)
_IN_FUNCTIONS = "CONVERTTIMEZONE"
_DATES = re.compile(
    r"YESTERDAY|TODAY|TOMORROW|(?:LAST|NEXT)_90_DAYS"
    r"|(?:LAST|THIS|NEXT)_(?:WEEK|MONTH|QUARTER|YEAR|FISCAL_QUARTER|FISCAL_YEAR)"
)
_COUNTED_DATES = re.compile(
    r"(?:(?:LAST|NEXT)_N_(?:DAYS|WEEKS|MONTHS|QUARTERS|YEARS|FISCAL_QUARTERS|FISCAL_YEARS)"
    r"|N_(?:DAYS|WEEKS|MONTHS|QUARTERS|YEARS|FISCAL_QUARTERS|FISCAL_YEARS)_AGO)"
)
_VALUES = re.compile(rf"NULL|TRUE|FALSE|{_DATES.pattern}|[A-Z]{{3}}\d+")
"""Values that are names; the last one is an amount in a currency, like USD5000."""
_END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """A piece of the text; `kind` is string, instant, date, number, name, operator, mark or end."""

    kind: str
    text: str
    place: int

    @property
    def word(self) -> str:
        """Return a name in capitals, for everything else nothing."""
        return self.text.upper() if self.kind == "name" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoqlCondition:
    """One condition that is known to be whole. `fields` are where its own paths stand: begin and end."""

    text: str
    fields: tuple[tuple[int, int], ...] = ()

    @property
    def enclosed(self) -> str:
        """Return the condition in parentheses, ready to be joined."""
        return f"({self.text})"

    def seen_from(self, relationship: str, *, object_name: str, key: str) -> str:
        """Return the condition in parentheses as a child of its object asks it.

        Args:
            relationship: the child's name for the object, put in front of each of its fields.
            object_name: the object the condition was written for; it may stand in front of a field itself.
            key: the child's own field that holds the object's id, which joins can be made on.
        """
        parts, place = [], 0
        for begin, end in self.fields:
            path = self.text[begin:end]
            first, _, rest = path.partition(".")
            own = rest if rest and first.lower() == object_name.lower() else path
            parts += [self.text[place:begin], key if own.lower() == "id" else f"{relationship}.{own}"]
            place = end
        return f"({''.join(parts)}{self.text[place:]})"


@lru_cache(maxsize=256)
def read_condition(text: str, *, setting: str) -> SoqlCondition:
    """Return an admin's condition, read to its end.

    Args:
        text: what stands in a WHERE clause, without the word.
        setting: the setting it is from, for the error.

    Raises:
        ConfigurationError: it is empty, or its quotes or parentheses do not pair up (code
            `filter_not_balanced`), or it is no condition (code `filter_syntax`); the message names the place.
    """
    text = text.strip()
    return _Reader(text, setting).condition()


class _Reader:
    """Reads one condition from left to right; whatever is not expected at a place is refused."""

    def __init__(self, text: str, setting: str) -> None:
        self._text = text
        self._setting = setting
        self._fields: list[tuple[int, int]] = []
        if not text:
            raise self._unbalanced("is empty")
        if len(text) > LONGEST:
            raise self._wrong(f"is longer than {LONGEST} characters")
        self._tokens = self._cut()
        self._at = 0

    def condition(self) -> SoqlCondition:
        """Return the whole text as one condition."""
        self._junction(depth=0, inside_join=False)
        if self._next.text == ")":
            raise self._unbalanced("closes a parenthesis it did not open", self._next)
        if self._next.kind != _END:
            raise self._unexpected("AND, OR or the end")
        return SoqlCondition(text=self._text, fields=tuple(self._fields))

    def _cut(self) -> list[_Token]:
        found, place = [], 0
        while place < len(self._text):
            if self._text[place] == "'":
                literal = _STRING.match(self._text, place)
                if literal is None:
                    raise self._broken_string(place)
                found.append(_Token(kind="string", text=literal[0], place=place))
                place = literal.end()
                continue
            token = _TOKENS.match(self._text, place)
            if token is None:
                raise self._wrong(f"has {self._text[place]!r}, which no condition contains", place)
            if token.lastgroup != "space":
                found.append(_Token(kind=token.lastgroup or "", text=token[0], place=place))
            place = token.end()
        return [*found, _Token(kind=_END, text="", place=len(self._text))]

    def _junction(self, *, depth: int, inside_join: bool) -> None:
        """Read terms joined by AND, or by OR; SOQL wants parentheses where both are used."""
        self._term(depth=depth, inside_join=inside_join)
        joined = self._next.word
        while self._next.word in {"AND", "OR"}:
            if self._next.word != joined:
                raise self._wrong(
                    "mixes AND and OR; put those that belong together in parentheses", self._next
                )
            self._take()
            self._term(depth=depth, inside_join=inside_join)

    def _term(self, *, depth: int, inside_join: bool) -> None:
        if depth > DEEPEST:
            raise self._wrong(f"is more than {DEEPEST} parentheses deep", self._next)
        if self._next.word == "NOT":
            self._take()
            self._term(depth=depth + 1, inside_join=inside_join)
        elif self._next.text == "(":
            opened = self._take()
            self._junction(depth=depth + 1, inside_join=inside_join)
            self._close(opened)
        else:
            self._comparison(depth=depth, inside_join=inside_join)

    def _comparison(self, *, depth: int, inside_join: bool) -> None:
        self._operand(inside_join=inside_join)
        operator = self._next
        if operator.kind != "operator" and operator.word not in _COMPARISONS:
            raise self._unexpected("a comparison like =, <, LIKE or IN")
        self._take()
        if operator.kind == "operator":
            self._value()
        elif operator.word == "LIKE":
            self._string()
        elif operator.word in {"INCLUDES", "EXCLUDES"}:
            self._list(self._open(), self._string)
        else:
            if operator.word == "NOT":
                self._word("IN")
            opened = self._open()
            if self._next.word == "SELECT":
                self._join(opened, depth=depth, inside_join=inside_join)
            else:
                self._list(opened, self._value)

    def _operand(self, *, inside_join: bool) -> None:
        if _FUNCTIONS.fullmatch(self._next.word):
            self._take()
            opened = self._open()
            if self._next.word == _IN_FUNCTIONS:
                self._take()
                inner = self._open()
                self._path(inside_join=inside_join)
                self._close(inner)
            else:
                self._path(inside_join=inside_join)
            self._close(opened)
        else:
            self._path(inside_join=inside_join)

    def _path(self, *, inside_join: bool) -> None:
        """Read a field, perhaps through parents; fields of a join's own query belong to another object."""
        if self._next.kind != "name" or _WORDS.fullmatch(self._next.word):
            raise self._unexpected("the name of a field")
        token = self._take()
        if not inside_join:
            self._fields.append((token.place, token.place + len(token.text)))

    def _join(self, opened: _Token, *, depth: int, inside_join: bool) -> None:
        """Read the query of a semi-join: one field of one object, perhaps with a condition, no more."""
        if inside_join:
            raise self._wrong("has a query inside another query", self._next)
        self._word("SELECT")
        self._path(inside_join=True)
        self._word("FROM")
        # Order and Group are objects as well as words of the language.
        name = self._next
        is_word = _WORDS.fullmatch(name.word) and name.word not in _OBJECTS_NAMED_LIKE_WORDS
        if name.kind != "name" or "." in name.text or is_word:
            raise self._unexpected("the name of an object")
        self._take()
        if self._next.word == "WHERE":
            self._take()
            self._junction(depth=depth + 1, inside_join=True)
        self._close(opened)

    def _list(self, opened: _Token, item: Callable[[], None]) -> None:
        item()
        while self._next.text == ",":
            self._take()
            item()
        self._close(opened)

    def _value(self) -> None:
        token = self._next
        if token.kind in {"string", "instant", "date", "number"} or _VALUES.fullmatch(token.word):
            self._take()
        elif _COUNTED_DATES.fullmatch(token.word):
            self._take()
            if self._next.text != ":":
                raise self._unexpected(": and a number")
            self._take()
            if not self._next.text.isdecimal():
                raise self._unexpected("a whole number")
            self._take()
        else:
            raise self._unexpected("a value; text stands in single quotes, like 'New'")

    def _string(self) -> None:
        if self._next.kind != "string":
            raise self._unexpected("a text in single quotes")
        self._take()

    def _word(self, word: str) -> None:
        if self._next.word != word:
            raise self._unexpected(word)
        self._take()

    def _open(self) -> _Token:
        if self._next.text != "(":
            raise self._unexpected("an opening parenthesis")
        return self._take()

    def _close(self, opened: _Token) -> None:
        if self._next.kind == _END:
            raise self._unbalanced("does not close this parenthesis", opened)
        if self._next.text != ")":
            raise self._unexpected("AND, OR or a closing parenthesis")
        self._take()

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _unexpected(self, wanted: str) -> ConfigurationError:
        token = self._next
        found = f"has {token.text!r}" if token.kind != _END else "ends"
        return self._wrong(f"{found} where {wanted} should stand", token)

    def _broken_string(self, place: int) -> ConfigurationError:
        body = re.match(r"'(?:[^'\\]|\\.)*'", self._text[place:], re.DOTALL)
        if body is None:
            return self._unbalanced("does not close this quote", place)
        return self._wrong(
            "has a text with a line break, or with a backslash that does not stand before n, r, t, b, f, a "
            "quote, a backslash, _ or %",
            place,
        )

    def _unbalanced(self, what: str, at: _Token | int | None = None) -> ConfigurationError:
        return ConfigurationError(
            self._told(what, at),
            code="filter_not_balanced",
            field=self._setting,
            fix="Write one SOQL condition, like: Type != 'Test' AND (Amount__c > 0 OR Paid__c = true).",
        )

    def _wrong(self, what: str, at: _Token | int | None = None) -> ConfigurationError:
        return ConfigurationError(
            self._told(what, at),
            code="filter_syntax",
            field=self._setting,
            fix="Write only what stands in a WHERE clause: comparisons joined by AND or OR, without comments "
            "and without further clauses.",
        )

    def _told(self, what: str, at: _Token | int | None) -> str:
        place = at.place if isinstance(at, _Token) else at
        where = "" if place is None else f", at character {place + 1}"
        return f"The condition of {self._setting} {what}{where}: {shown_condition(self._text)}"


def shown_condition(text: str) -> str:
    """Return a condition for a message: one line, shortened, nothing that a terminal or page would act on."""
    most = 200
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= most else f"{plain[:most]}…"
