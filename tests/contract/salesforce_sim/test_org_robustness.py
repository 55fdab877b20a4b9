import json

from hypothesis import given
from hypothesis import strategies as st
from tests.contract.salesforce_sim.simulated_org import DATA, LINE_1, NOW, ORDER_1, section_5

from cpqbridge_sim.salesforce import values
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(
        [ORDER_1, LINE_1, "Order", "OrderItem", "Stripe_Sync_Record__c", "@{a.id}", "@{a[0].b}", "Activated"]
    ),
)
NAMES = st.sampled_from(
    [
        *(
            "attributes",
            "type",
            "Id",
            "id",
            "ids",
            "fields",
            "records",
            "allOrNone",
            "Key__c",
            "Order__c",
            "Status",
        ),
        *(
            "Quantity",
            "TotalAmount",
            "EffectiveDate",
            "compositeRequest",
            "batchRequests",
            "method",
            "url",
            "body",
        ),
        *("referenceId", "httpHeaders", "richInput", "haltOnError", "now", "Stripe_ID__c", "Resolved__c"),
    ]
)
BODIES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)
SEGMENTS = st.lists(
    st.sampled_from(
        [
            *(
                "composite",
                "sobjects",
                "batch",
                "query",
                "queryAll",
                "limits",
                "Order",
                "OrderItem",
                "describe",
            ),
            *(
                "Stripe_Sync_Record__c",
                "Key__c",
                "a%2Fb",
                "%FF",
                ORDER_1,
                "updated",
                "deleted",
                "01gX-5",
                "Id",
                "",
            ),
        ]
    ),
    max_size=5,
)
QUERIES = st.sampled_from(
    [
        "",
        "q=",
        "q=SELECT+Id+FROM+Order",
        "fields=Id,,x.y",
        "ids=a,b&allOrNone=true",
        "start=1&end=2",
        "%zz=%ff&&=",
        "updateOnly=true",
    ]
)
HEADERS = st.sampled_from(
    [
        {},
        {"sforce-query-options": "batchSize=²"},
        {"sforce-query-options": "batchSize=-1"},
        {"if-modified-since": "yesterday"},
        {"if-modified-since": "Fri, 20 Nov 2026 10:00:00 -0000"},
        {"if-unmodified-since": "Fri, 20 Nov 2026 10:00:00 -0000"},
    ]
)
METHODS = st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"])


@given(METHODS, SEGMENTS, QUERIES, HEADERS, BODIES)
def test_any_request_is_answered_in_json(method, segments, query, headers, body):
    org = Org(NOW)
    org.load(section_5())
    server = create_app(org)
    answer = server.handle(
        method,
        f"{DATA}/{'/'.join(segments)}",
        query=query,
        headers={"authorization": "Bearer x", **headers},
        body=json.dumps(body).encode(),
    )
    assert 200 <= answer.status < 500
    if answer.body is not None:
        json.loads(values.dump_json(answer.body))
    if answer.failed:
        assert {"errorCode", "message"} <= set(answer.body[0])


@given(
    st.sampled_from(["composite", "composite/sobjects", "composite/batch", "composite/sobjects/Order"]),
    BODIES,
)
def test_any_bulk_body_is_answered(path, body):
    org = Org(NOW)
    org.load(section_5())
    for key in ("compositeRequest", "records", "batchRequests", "ids"):
        wrapped = {"allOrNone": True, key: body if isinstance(body, list) else [body], "fields": ["Id"]}
        for method in ("POST", "PATCH"):
            answer = create_app(org).handle(
                method,
                f"{DATA}/{path}",
                query="",
                headers={"authorization": "Bearer x"},
                body=json.dumps(wrapped).encode(),
            )
            assert 200 <= answer.status < 500


def test_number_of_any_size_in_a_composite_is_answered():
    org = Org(NOW)
    org.load(section_5())
    for number in ("1e400", "1E+999999999", "-0", "0.1e-400", "9" * 5000):
        body = f'{{"SBQQ__RenewalTerm__c": {number}, "Stripe_ID__c": {number}}}'.encode()
        answer = create_app(org).handle(
            "PATCH",
            f"{DATA}/sobjects/Order/{ORDER_1}",
            query="",
            headers={"authorization": "Bearer x"},
            body=body,
        )
        assert answer.status == 400
