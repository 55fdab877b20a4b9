"""Which records of a contract are watched: everything that was read for it, at any depth."""

from __future__ import annotations

from typing import Any

from cpqbridge.domain.ids import salesforce_id
from cpqbridge.mapping.raw import RawContract
from cpqbridge.sync.watching import records_read


def long(short: str) -> str:
    return salesforce_id(short)


ORDER, DRAFT = long("801000000000001"), long("801000000000002")
LINE, PRODUCT = long("802000000000001"), long("01t000000000001")
ACCOUNT, QUOTE = long("001000000000001"), long("a0Q000000000001")
CONTRACT, RATE = long("800000000000001"), long("a1R000000000001")


def row(object_name: str, record_id: str, **fields: Any) -> dict[str, Any]:
    url = f"/services/data/v68.0/sobjects/{object_name}/{record_id}"
    return {"attributes": {"type": object_name, "url": url}, "Id": record_id, **fields}


def contract(**values: Any) -> RawContract:
    orders = (
        row("Order", ORDER, AccountId=ACCOUNT[:15], SBQQ__Quote__r=row("SBQQ__Quote__c", QUOTE)),
        row("Order", DRAFT, ContractId=None),
    )
    items = (row("OrderItem", LINE, Product2Id=PRODUCT, OwnerId="005000000000001", NoId="x"),)
    return RawContract(root_id=QUOTE, contract=None, orders=orders, items=items, **values)


def test_records_are_known_by_what_rows_say_and_by_the_prefix_of_references() -> None:
    assert records_read(contract()) == {
        "Account": {ACCOUNT},
        "Order": {ORDER, DRAFT},
        "OrderItem": {LINE},
        "Product2": {PRODUCT},
        "SBQQ__Quote__c": {QUOTE},
    }


def test_orders_that_qualify_are_left_to_the_polls() -> None:
    found = records_read(contract(qualifying_order_ids=frozenset({ORDER})))
    assert found["Order"] == {DRAFT}
    assert "Order" not in records_read(contract(qualifying_order_ids=frozenset({ORDER, DRAFT})))


def test_further_objects_the_contract_and_a_renewed_one_are_watched_too() -> None:
    renewed = RawContract(root_id="q", contract=row("Contract", CONTRACT), orders=(), items=())
    extra = {"Rate__c": (row("Rate__c", RATE), {"Id": "without attributes"})}
    found = records_read(contract(extra=extra, renewed=renewed))
    assert found["Rate__c"] == {RATE}
    assert found["Contract"] == {CONTRACT}
