import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.salesforce_sim.simulated_org import NOW, section_5

from cpqbridge_sim.salesforce.errors import SoqlError
from cpqbridge_sim.salesforce.filters import like_pattern
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.soql import Comparison, Junction, Path, Query, parse

WORDS = st.sampled_from(
    [
        "SELECT",
        "FROM",
        "WHERE",
        "AND",
        "OR",
        "NOT",
        "IN",
        "LIKE",
        "INCLUDES",
        "ORDER",
        "BY",
        "GROUP",
        "LIMIT",
        "COUNT",
        "(",
        ")",
        ",",
        ".",
        "=",
        "!=",
        "<",
        ">",
        "<=",
        ">=",
        "ASC",
        "DESC",
        "NULLS",
        "FIRST",
        "LAST",
        "null",
        "true",
        "false",
        "'a'",
        "'a''b'",
        "'\\'",
        "5",
        "-1.5",
        "2026-02-01",
        "2026-13-99",
        "2026-02-01T00:00:00Z",
        "@",
        "%",
        ";",
        "--",
        "Id",
        "Name",
        "Order",
        "OrderItem",
        "OrderItems",
        "Account",
        "TotalAmount",
        "FIELDS(ALL)",
        "99999999999999999999",
    ]
)


def where(text: str):
    return parse(f"SELECT Id FROM Order WHERE {text}").where


def test_statement_is_parsed_into_its_parts():
    query = parse(
        "select Id, Account.Name, (select Id from OrderItems) from Order where Name = 'x' "
        "order by Name desc nulls last, Id limit 7"
    )
    assert query.object_name == "Order"
    assert query.select[:2] == (Path(("Id",)), Path(("Account", "Name")))
    assert isinstance(query.select[2], Query)
    assert [(str(key.path), key.descending, key.nulls_last) for key in query.order_by] == [
        ("Name", True, True),
        ("Id", False, False),
    ]
    assert query.limit == 7


def test_keywords_may_be_parts_of_names():
    query = parse(
        "SELECT Order.Id, Inner__c, Notes__c, Orders__c FROM Group WHERE Android = 1 AND Island = 2"
    )
    assert query.object_name == "Group"
    assert len(query.select) == 4


def test_conditions_join_and_nest():
    condition = where("A = 1 AND (B = 2 OR NOT C = 3) AND D IN (1, 2)")
    assert isinstance(condition, Junction)
    assert condition.all_of is True
    assert isinstance(condition.parts[2], Comparison)
    assert [literal.raw for literal in condition.parts[2].literals] == ["1", "2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "SELECT",
        "SELECT FROM Order",
        "SELECT Id",
        "SELECT Id FROM",
        "SELECT Id, FROM Order",
        "SELECT Id FROM Order WHERE",
        "SELECT Id FROM Order WHERE Id",
        "SELECT Id FROM Order WHERE Id = ",
        "SELECT Id FROM Order WHERE Id IN ()",
        "SELECT Id FROM Order WHERE Id = 'a",
        "SELECT Id FROM Order WHERE Id = 'a''",
        "SELECT Id FROM Order WHERE Id = 'a' OR 1 = 1",
        "SELECT Id FROM Order WHERE Name = '\\x'",
        "SELECT Id FROM Order WHERE A = 1 B = 2",
        "SELECT Id FROM Order WHERE (A = 1",
        "SELECT Id FROM Order LIMIT -1",
        "SELECT Id FROM Order LIMIT 1.5",
        "SELECT Id FROM Order LIMIT " + "9" * 5000,
        "SELECT Id FROM Order o",
        "SELECT Id FROM Order; DELETE",
        "SELECT Id FROM Order WITH SECURITY_ENFORCED",
        "SELECT Id FROM Order FOR UPDATE",
        "SELECT Id FROM Order USING SCOPE mine",
        "SELECT Id FROM Order WHERE CreatedDate = LAST_N_DAYS:3",
        "SELECT Id FROM Order WHERE CreatedDate > 2026-13-01T00:00:00Z",
        "SELECT Id FROM Order WHERE CreatedDate > 2026-01-01T00:00:00",
        "SELECT SUM(TotalAmount) FROM Order",
        "SELECT toLabel(Status) FROM Order",
        "SELECT * FROM Order",
        "SELECT Id FROM Order -- comment",
        "SELECT Id FROM Order WHERE Name = '" + "x" * 4001 + "'",
        "SELECT Id FROM Order WHERE Id IN (" + "'x'," * 30_000 + "'x')",
    ],
)
def test_statement_when_not_understood_is_malformed(text):
    with pytest.raises(SoqlError) as caught:
        parse(text)
    assert caught.value.code == "MALFORMED_QUERY"
    assert caught.value.status == 400


def test_conditions_when_nested_without_end_are_refused():
    for text in ("NOT " * 5000 + "A = 1", "(A = 1 AND " * 3000 + "B = 2" + ")" * 3000):
        with pytest.raises(SoqlError):
            where(text)
    assert where("(" * 3000 + "A = 1" + ")" * 3000) is not None


def test_like_does_not_take_exponential_time():
    pattern = like_pattern("%a" * 30 + "%b")
    assert pattern.fullmatch("a" * 5000) is None
    assert pattern.fullmatch("a" * 5000 + "b") is not None
    assert like_pattern("a%a").fullmatch("a") is None
    assert like_pattern("%").fullmatch("") is not None


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused(text):
    with contextlib.suppress(SoqlError):
        assert isinstance(parse(text), Query)


@given(st.lists(WORDS, max_size=25))
def test_any_sequence_of_words_is_answered_or_refused(words):
    org = Org(NOW)
    org.load(section_5())
    text = " ".join(["SELECT Id FROM Order WHERE", *words])
    for statement in (text, " ".join(words), f"SELECT {' '.join(words)} FROM Order"):
        with contextlib.suppress(SoqlError):
            rows = org.queries.run(statement)
            assert len(org.queries.render(rows, 0, 10, "/services/data/v68.0")) <= 10
