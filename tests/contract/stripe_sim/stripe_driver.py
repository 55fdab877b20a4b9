"""Short names for what nearly every scenario needs of a simulated account."""

from datetime import UTC, datetime

from cpqbridge_sim.stripe.account import Account


def at(year: int, month: int, day: int, hour: int = 0) -> int:
    """A Unix time in UTC."""
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


class Api:
    """An account driven in process, with short names for what nearly every scenario needs."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def call(self, method: str, path: str, params: dict | None = None, **options) -> dict:
        status, body = self.account.request(method, path, params or {}, **options)
        assert status == 200, body
        return body

    def post(self, path: str, params: dict | None = None, **options) -> dict:
        return self.call("POST", path, params, **options)

    def get(self, path: str, params: dict | None = None) -> dict:
        return self.call("GET", path, params)

    def refused(self, method: str, path: str, params: dict | None = None, *, status: int = 400) -> dict:
        found, body = self.account.request(method, path, params or {})
        assert found == status, body
        return body["error"]

    def go(self, year: int, month: int, day: int, hour: int = 0) -> None:
        self.account.advance(datetime(year, month, day, hour, tzinfo=UTC))

    def customer(self, **params) -> str:
        return self.post("/v1/customers", {"payment_method": "pm_card_visa", **params})["id"]

    def price(self, unit: int | str, interval: str = "month", count: int = 1, **params) -> str:
        amount = {"unit_amount": unit} if isinstance(unit, int) else {"unit_amount_decimal": unit}
        product = {} if "product" in params else {"product_data": {"name": "Seat"}}
        recurring = {"interval": interval, "interval_count": count}
        return self.post(
            "/v1/prices", {"currency": "usd", "recurring": recurring, **amount, **product, **params}
        )["id"]

    def one_time(self, unit: int) -> str:
        params = {"currency": "usd", "unit_amount": unit, "product_data": {"name": "Setup"}}
        return self.post("/v1/prices", params)["id"]

    def tiered(self, *tiers: tuple, mode: str = "graduated", **params) -> str:
        """A tiered monthly price of `(up_to, unit amount)` or `(up_to, unit amount, flat amount)`."""
        names = ("up_to", "unit_amount", "flat_amount")
        entries = [dict(zip(names, tier, strict=False)) for tier in tiers]
        bodies = [{name: value for name, value in entry.items() if value is not None} for entry in entries]
        terms = {"billing_scheme": "tiered", "tiers_mode": mode, "tiers": bodies, "currency": "usd"}
        product = {} if "product" in params else {"product_data": {"name": "Font"}}
        recurring = {"interval": "month", **params.pop("recurring", {})}
        return self.post("/v1/prices", {**terms, **product, **params, "recurring": recurring})["id"]

    def meter(self, event_name: str = "calls", formula: str = "sum", **params) -> str:
        terms = {"display_name": "Calls", "event_name": event_name}
        aggregation = {"formula": formula}
        return self.post("/v1/billing/meters", {**terms, "default_aggregation": aggregation, **params})["id"]

    def metered(self, unit: int | str, meter: str, interval: str = "month", count: int = 1, **params) -> str:
        recurring = {"interval": interval, "interval_count": count, "usage_type": "metered", "meter": meter}
        return self.price(unit, recurring=recurring, **params)

    def use(self, customer: str, value: int | str, event_name: str = "calls", **params) -> dict:
        payload = {"stripe_customer_id": customer, "value": str(value)}
        return self.post("/v1/billing/meter_events", {"event_name": event_name, "payload": payload, **params})

    def coupon(self, **params) -> str:
        if "amount_off" in params:
            params.setdefault("currency", "usd")
        return self.post("/v1/coupons", params)["id"]

    def schedule(self, *phases: dict, start: int, customer: str | None = None, **params) -> dict:
        return self.post(
            "/v1/subscription_schedules",
            {
                "customer": customer or self.customer(),
                "start_date": start,
                "end_behavior": "cancel",
                "phases": list(phases),
                **params,
            },
        )

    def subscribe(self, *items: dict, **params) -> dict:
        params.setdefault("customer", self.customer() if "customer" not in params else None)
        return self.post("/v1/subscriptions", {"items": list(items), **params})

    def invoices(self, **params) -> list[dict]:
        """All invoices with all their lines, oldest first."""
        page = self.get("/v1/invoices", {"limit": 100, **params})
        assert not page["has_more"]
        for invoice in page["data"]:
            while invoice["lines"]["has_more"]:
                known = invoice["lines"]["data"]
                after = {"limit": 100, "starting_after": known[-1]["id"]}
                more = self.get(f"/v1/invoices/{invoice['id']}/lines", after)
                invoice["lines"] = {**more, "data": known + more["data"]}
        return page["data"][::-1]

    def totals(self, **params) -> list[int]:
        return [invoice["total"] for invoice in self.invoices(**params)]

    def dated(self, **params) -> list[tuple[str, int]]:
        return [(day(invoice["created"]), invoice["total"]) for invoice in self.invoices(**params)]


def day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def items(*prices: str, quantity: int = 1) -> list[dict]:
    return [{"price": price, "quantity": quantity} for price in prices]


def phase(*prices: str, end: int, quantity: int = 1, **params) -> dict:
    return {"items": items(*prices, quantity=quantity), "end_date": end, **params}


def metered(*prices: str) -> list[dict]:
    return [{"price": price} for price in prices]


def phase_of(*entries: dict, end: int, **params) -> dict:
    return {"items": list(entries), "end_date": end, **params}


def lines_of(invoice: dict) -> list[tuple[int, str, str]]:
    """Amount and period of each line."""
    return [
        (line["amount"], day(line["period"]["start"]), day(line["period"]["end"]))
        for line in invoice["lines"]["data"]
    ]
