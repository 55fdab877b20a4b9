"""What an admin types as a filter stays inside the parentheses it is put in, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cpqbridge.errors import ConfigurationError
from cpqbridge.salesforce.soql import select
from cpqbridge.salesforce.soql_condition import DEEPEST, LONGEST, read_condition
from cpqbridge_sim.salesforce.errors import SoqlError
from cpqbridge_sim.salesforce.soql import Comparison, Junction, Negation, Query, SemiJoin, parse

SETTING = "filters.Order"

GOOD = [
    "Type = 'New'",
    "(A__c = 1) OR B__c = 2",
    "Name = ') OR ('",
    r"Name = 'it\'s) OR (Id != null'",
    r"Name LIKE '100\%\_%' AND Note__c != '\\'",
    "A__c = 1 AND (B__c = 2 OR NOT C__c = 3)",
    "NOT (A__c > -1.5 AND B__c <= +2)",
    "Account.Owner.Name IN ('Ann', 'Bob') AND Region__c NOT IN (null, 'x')",
    "Regions__c INCLUDES ('a;b', 'c') AND Regions__c EXCLUDES ('d')",
    "CreatedDate >= LAST_N_DAYS:30 AND EffectiveDate = THIS_FISCAL_YEAR",
    "HOUR_IN_DAY(convertTimezone(CreatedDate)) > 8 AND toLabel(Type) = 'Neu'",
    "CALENDAR_YEAR(CreatedDate) = 2026 AND EffectiveDate > 2026-01-31",
    "CreatedDate > 2026-01-31T10:00:00Z AND CreatedDate <= 2026-01-31T10:00:00.000+01:00",
    "AccountId IN (SELECT AccountId FROM Order WHERE Type = 'New' AND (A__c = 1 OR B__c = null))",
    "Id NOT IN (SELECT OrderId FROM OrderItem)",
    "TotalAmount > USD5000 and isDeleted = FALSE",
    "Order.Type = 'New' AND Group.Name = 'a'",
]

REACHING_OUT = [
    "",
    " \n\t ",
    "A = 1) OR (B = 2",
    "A = 1)) OR ((B = 2",
    "(A = 1",
    "A = 1)",
    "A = 'x",
    r"A = 'x\'",
    r"A = 'x\\' OR B = 'y\'",
    "A = 1 -- rest",
    "A = 1 // rest",
    "A = 1 /* rest */",
    "A = 1 # rest",
    "A = 1; DELETE",
    "A = 1 LIMIT 1",
    "A = 1 OFFSET 5",
    "A = 1 ORDER BY Id",
    "A = 1 GROUP BY Id",
    "A = 1 HAVING COUNT(Id) > 1",
    "A = 1 FOR UPDATE",
    "A = 1 FOR VIEW",
    "A = 1 ALL ROWS",
    "A = 1 WITH SECURITY_ENFORCED",
    "A = 1 UPDATE TRACKING",
    "A = 1 USING SCOPE mine",
    "A = :bound",
    "A = 1 UNION SELECT Id FROM User",
    "SELECT Id FROM User",
    "Id IN (SELECT Id FROM User LIMIT 1)",
    "Id IN (SELECT Id FROM User ORDER BY Id)",
    "Id IN (SELECT Id, Name FROM User)",
    "Id IN (SELECT COUNT() FROM User)",
    "Id IN (SELECT Id FROM User WHERE Id IN (SELECT Id FROM Account))",
    "Id IN (SELECT Id FROM User u)",
    "Id IN (SELECT Id FROM Account.Contacts)",
    "Id = (SELECT Id FROM User)",
    "(SELECT Id FROM User)",
    "A = 1 AND B = 2 OR C = 3",
    "A = 1 AND",
    "AND A = 1",
    "A",
    "A =",
    "= 1",
    "A == 1",
    "A = 1 B = 2",
    "A = B",
    'A = "x"',
    "A = \u2018x\u2019",
    "A = 'x\ny'",
    "A = 'x\x00y'",
    r"A = '\u0027) OR (Id != null'",
    r"A = '\x27'",
    "A IN ()",
    "A IN ('x',)",
    "A IN 'x'",
    "A LIKE 5",
    "A INCLUDES (1)",
    "CALENDAR_YEAR(CALENDAR_YEAR(A)) = 1",
    "convertTimezone(A) = 1",
    "LAST_N_DAYS:30 = A",
    "A = LAST_N_DAYS",
    "A = LAST_N_DAYS:x",
    "A.B. = 1",
    "A..B = 1",
    "A = 1.",
    "A = 1\u2028OR B = 2",
    "A = 1\u00a0OR B = 2",
    "A = 1\\) OR (B = 2",
    "TYPEOF What WHEN Account THEN Id END = 1",
    "DISTANCE(Location__c, GEOLOCATION(1,2), 'mi') < 20",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_condition_is_taken_as_it_was_typed(text: str) -> None:
    assert read_condition(f"  {text}\n", setting=SETTING).enclosed == f"({text})"


@pytest.mark.parametrize("text", REACHING_OUT)
def test_what_is_no_condition_is_refused_before_anything_is_sent(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_condition(text, setting=SETTING)
    assert caught.value.code in {"filter_not_balanced", "filter_syntax"}
    assert caught.value.field == SETTING
    assert caught.value.fix


def test_the_message_names_the_place() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_condition("Type = 'New' LIMIT 5", setting=SETTING)
    assert "has 'LIMIT' where AND, OR or the end should stand, at character 14" in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "A = '" + "x" * LONGEST + "'",
        "(" * (DEEPEST + 2) + "A = 1" + ")" * (DEEPEST + 2),
        "NOT " * 30 + "A = 1",
    ],
)
def test_a_condition_that_would_wear_somebody_out_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        read_condition(text, setting=SETTING)


def test_names_are_seen_from_the_child() -> None:
    text = "type = 'Type' AND (Account.Owner.Name != null OR id IN (SELECT AccountId FROM Contact WHERE Id != 'Id'))"
    assert read_condition(text, setting=SETTING).seen_from(
        "Account", object_name="Account", key="AccountId"
    ) == (
        "(Account.type = 'Type' AND (Account.Owner.Name != null "
        "OR AccountId IN (SELECT AccountId FROM Contact WHERE Id != 'Id')))"
    )
    dated = read_condition("CALENDAR_YEAR(Start__c) = 2026", setting=SETTING)
    assert dated.seen_from("Product2", object_name="Product2", key="Product2Id") == (
        "(CALENDAR_YEAR(Product2.Start__c) = 2026)"
    )


PIECES = st.sampled_from(
    [
        *("A", "B__c", "A.B", "Id", "1", "-2.5", "'x'", r"'it\'s'", "')'", "null", "TODAY", "LAST_N_DAYS:3"),
        *(
            "=",
            "!=",
            "<",
            ">=",
            "LIKE",
            "IN",
            "NOT",
            "NOT IN",
            "AND",
            "OR",
            "INCLUDES",
            "(",
            ")",
            ",",
            "'",
            "\\",
        ),
        *(
            "SELECT Id FROM User",
            "LIMIT 1",
            "ORDER BY Id",
            "--",
            "/*",
            "*/",
            ";",
            ":",
            "\n",
            "\u2028",
            "\x00",
        ),
        *(
            "(SELECT Id FROM User)",
            "('a', 'b')",
            "WHERE",
            "FOR UPDATE",
            "ALL ROWS",
            "\u2018",
            '"',
            "%",
            "--\n",
        ),
    ]
)
TYPED = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=14).map(" ".join))


def _own(query: Query) -> Query:
    """Return the tree of a query that has nothing but one field, one object and one condition."""
    return Query(select=query.select, object_name=query.object_name, where=query.where)


@settings(max_examples=600, deadline=None)
@given(TYPED)
@example("A = 1 OR A.B = ')'")
def test_what_is_taken_is_one_operand_in_whatever_it_is_joined_with(text: str) -> None:
    """The simulator's parser, which knows nothing of ours, finds it whole in its own place."""
    try:
        condition = read_condition(text, setting=SETTING)
    except ConfigurationError:
        return
    where = f"Mine__c = 'yes' AND {condition.enclosed} AND Also__c = 'mine'"
    try:
        tree = parse(select(["Id"], "Order", where=where, order_by="Id"))
    except SoqlError:
        # The simulator knows less of the language: functions, relative dates, names like its own words.
        return
    assert isinstance(tree.where, Junction)
    assert tree.where.all_of
    first, _, last = tree.where.parts
    assert (str(first.path), str(last.path)) == ("Mine__c", "Also__c")
    assert (tree.limit, tree.group_by, [str(each.path) for each in tree.order_by]) == (None, (), ["Id"])
    for join in _joins(tree.where):
        assert join.query == _own(join.query)


def _joins(condition: Junction | Negation | Comparison | SemiJoin) -> list[SemiJoin]:
    if isinstance(condition, Junction):
        return [join for part in condition.parts for join in _joins(part)]
    if isinstance(condition, Negation):
        return _joins(condition.part)
    return [condition] if isinstance(condition, SemiJoin) else []


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="AB =()'\\,\n-/*:;.1", max_size=40))
def test_parentheses_outside_of_quotes_never_close_ours(text: str) -> None:
    try:
        condition = read_condition(text, setting=SETTING)
    except ConfigurationError:
        return
    depth, quoted, place = 0, False, 0
    whole = condition.enclosed
    while place < len(whole):
        character = whole[place]
        if quoted and character == "\\":
            place += 1
        elif character == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(character, 0)
            assert depth > 0 or place == len(whole) - 1
        place += 1
    assert depth == 0
    assert not quoted
