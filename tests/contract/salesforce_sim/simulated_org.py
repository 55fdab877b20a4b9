"""The history of salesforce.md section 5 as records, and a plain REST client, for the tests of the org."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
CONTRACT = "800Qy000002CnTrIAK"
ORDER_1, ORDER_2, ORDER_3 = "801Qy00000AbC01IAF", "801Qy00000AbC02IAF", "801Qy00000AbC03IAF"
LINE_1 = "802Qy00000LiNe1IAF"
DATA = "/services/data/v68.0"


class Rest:
    """A client that talks to a served org, numbers as Decimal."""

    def __init__(self, url: str, token: str = "token-1") -> None:
        self.http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"} if token else {})

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        if path.startswith("/"):
            return self.http.request(method, path, **options)
        return self.http.request(method, f"{DATA}/{path}", **options)

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return self.call("GET", path, **options)

    def patch(self, path: str, fields: Any, **options: Any) -> httpx2.Response:
        return self.call("PATCH", path, json=fields, **options)

    def query(self, soql: str, resource: str = "query", **options: Any) -> httpx2.Response:
        return self.get(resource, params={"q": soql}, **options)

    def rows(self, soql: str, resource: str = "query") -> list[dict[str, Any]]:
        answer = self.query(soql, resource)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text, parse_float=Decimal)["records"]

    def ids(self, soql: str, resource: str = "query") -> list[str]:
        return [row["Id"] for row in self.rows(soql, resource)]

    def composite(self, *parts: dict[str, Any], all_or_none: bool = False) -> httpx2.Response:
        return self.call(
            "POST", "composite", json={"allOrNone": all_or_none, "compositeRequest": list(parts)}
        )

    def usage(self, answer: httpx2.Response) -> int:
        return int(answer.headers["sforce-limit-info"].split("=")[1].split("/")[0])


def error_of(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a refused request."""
    return answer.status_code, answer.json()[0]["errorCode"]


def soql_part(name: str, soql: str) -> dict[str, Any]:
    """A query as a part of a composite, encoded but for its references."""
    encoded = quote(soql, safe="@{}[].,")
    return {"method": "GET", "referenceId": name, "url": f"{DATA}/query/?q={encoded}"}


def section_5() -> dict[str, list[dict[str, Any]]]:
    """The records of salesforce.md section 5, with the contract they belong to."""
    text = Path(__file__).with_name("section_5.json").read_text(encoding="utf-8")
    document = json.loads(text, parse_float=Decimal)
    return {
        "Contract": [
            {
                "Id": CONTRACT,
                "ContractNumber": "00000042",
                "AccountId": "001Qy00000BdNrTIAV",
                "Status": "Activated",
                "StartDate": "2026-02-01",
                "EndDate": "2027-01-31",
                "ContractTerm": 12,
                "SBQQ__Quote__c": "a0zQy00000QuT01IAF",
                "SBQQ__Order__c": ORDER_1,
            }
        ],
        "Order": document["orders"]["records"],
        "OrderItem": document["items"]["records"],
    }
