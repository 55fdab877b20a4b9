"""Random lives of subscriptions: trials, pauses, schedules attached and released, periods billed ahead."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.stripe_sim.stripe_driver import Api, at, items

from cpqbridge_sim.stripe.account import Account

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86_400
PRORATIONS = st.sampled_from(["create_prorations", "always_invoice", "none"])
# Each step has drawn numbers that it uses as days, quantities or choices.
NAMES = [
    "attach",
    "attach",
    "extend",
    "extend",
    "extend",
    "release",
    "cancel",
    "cancel_at",
    "clear_end",
    "change",
    "change",
    "delete_item",
    "collect",
    "migrate",
    "pause",
    "pause",
    "resume",
    "resume",
    "resume",
    "prebill",
    "prebill",
    "trial",
    "trial_now",
    "wait",
]
STEPS = st.tuples(st.sampled_from(NAMES), st.integers(1, 45), PRORATIONS)


class Life:
    """One subscription and what is asked of it; refusals are fine, crashes are not."""

    def __init__(self, mode: str, trial_days: int, unit: int) -> None:
        self.api = Api(Account(START))
        prices = items(
            self.api.price(3100 + unit), *([self.api.price(12000, "year")] if mode != "classic" else [])
        )
        self.spare = self.api.price(700)
        self.subscription = self.api.subscribe(
            *prices, billing_mode={"type": mode}, trial_period_days=trial_days
        )["id"]
        self.schedule: str | None = None

    @property
    def now(self) -> int:
        return int(self.api.account.now.timestamp())

    def post(self, path: str, params: dict) -> dict | None:
        status, body = self.api.account.request("POST", path, params)
        assert status in (200, 400, 402, 404), body
        return body if status == 200 else None

    def wait(self, days: int) -> None:
        self.api.account.advance(self.api.account.now + timedelta(days=days, hours=days % 5))

    def run(self, step: str, number: int, behavior: str) -> None:
        path = f"/v1/subscriptions/{self.subscription}"
        body = self.api.get(path)
        own = body["items"]["data"]
        later = self.now + number * DAY
        changes: dict[str, dict] = {
            "change": {"items": [{"id": own[0]["id"], "quantity": number % 4}]},
            "delete_item": {"items": [{"id": own[-1]["id"], "deleted": True}, {"price": self.spare}]},
            "cancel_at": {"cancel_at": later + 60 * DAY},
            "clear_end": {"cancel_at": ""},
            "trial": {"trial_end": later},
            "trial_now": {"trial_end": "now"},
            "prebill": {"billing_schedules": [{"bill_until": {"type": "timestamp", "timestamp": later + 30 * DAY}}]},
            "collect": {"pause_collection": {"behavior": ("void", "keep_as_draft")[number % 2], "resumes_at": later}},
        }  # fmt: skip
        if step in changes:
            self.post(path, {**changes[step], "proration_behavior": behavior})
        elif step == "pause":
            self.post(f"{path}/pause", {"invoicing_behavior": "invoice"} if number % 2 else {})
        elif step == "resume":
            anchor = {"billing_cycle_anchor": {"type": ("now", "unchanged")[number % 2]}}
            paid = {"payment_behavior": "resume_on_payment_success"} if number % 3 else {}
            self.post(f"{path}/resume", {**anchor, **paid, "proration_behavior": behavior})
        elif step == "migrate":
            self.post(f"{path}/migrate", {"billing_mode": {"type": "flexible"}})
        elif step == "cancel" and number > 40:
            self.api.account.request("DELETE", path, {"prorate": True, "invoice_now": True})
        elif step == "attach":
            made = self.post("/v1/subscription_schedules", {"from_subscription": self.subscription})
            self.schedule = self.schedule if made is None else made["id"]
        elif step == "release" and self.schedule is not None:
            self.post(f"/v1/subscription_schedules/{self.schedule}/release", {})
        elif step == "extend" and self.schedule is not None:
            self.extend(number, behavior)
        self.wait(1 + number % 15)

    def extend(self, number: int, behavior: str) -> None:
        path = f"/v1/subscription_schedules/{self.schedule}"
        body = self.api.get(path)
        if body["current_phase"] is None:
            return
        start = body["current_phase"]["start_date"]
        phases = [
            {
                "items": [{"price": item["price"], "quantity": item["quantity"]} for item in phase["items"]],
                "start_date": phase["start_date"],
                "end_date": phase["end_date"],
                **({} if phase["trial_end"] is None else {"trial_end": phase["trial_end"]}),
            }
            for phase in body["phases"]
            if phase["start_date"] >= start
        ]
        last = phases[-1]
        added = {**last, "start_date": last["end_date"], "end_date": last["end_date"] + number * DAY}
        added["items"] = [{"price": self.spare, "quantity": number % 3}]
        added.pop("trial_end", None)
        if number % 4 == 0:
            added["trial"] = True
        self.post(path, {"phases": [*phases, added], "proration_behavior": behavior})


lives = st.tuples(
    st.sampled_from(["flexible", "flexible", "classic"]),
    st.sampled_from([0, 0, 10, 40]),
    st.lists(STEPS, min_size=1, max_size=12),
)


def lived(mode: str, trial_days: int, steps: list) -> Life:
    life = Life(mode, trial_days, len(steps))
    for step, number, behavior in steps:
        life.run(step, number, behavior)
    return life


@settings(max_examples=40)
@given(lives)
def test_periods_go_on_and_invoices_add_up(life):
    run = lived(*life)
    subscription = run.api.get(f"/v1/subscriptions/{run.subscription}")
    for item in subscription["items"]["data"]:
        assert item["current_period_start"] <= item["current_period_end"]
        if subscription["status"] in ("active", "trialing", "past_due"):
            assert item["current_period_end"] > run.now, subscription["status"]
    for invoice in run.api.invoices():
        lines = invoice["lines"]["data"]
        assert invoice["subtotal"] == sum(line["amount"] for line in lines)
        assert all(line["period"]["start"] <= line["period"]["end"] for line in lines)


@settings(max_examples=40)
@given(lives)
def test_a_trial_costs_nothing_and_a_pause_bills_nothing(life):
    mode, trial_days, steps = life
    run = Life(mode, trial_days, len(steps))
    for step, number, behavior in steps:
        before = run.api.get(f"/v1/subscriptions/{run.subscription}")
        known = {invoice["id"] for invoice in run.api.invoices()}
        run.wait(number)
        after = run.api.get(f"/v1/subscriptions/{run.subscription}")
        new = [invoice for invoice in run.api.invoices() if invoice["id"] not in known]
        if before["status"] == after["status"] == "paused":
            assert new == []
        if before["status"] == "trialing" and after["status"] == "trialing":
            assert all(invoice["total"] <= 0 for invoice in new)
        run.run(step, number, behavior)


@settings(max_examples=25)
@given(lives)
def test_a_preview_changes_nothing_and_is_what_comes(life):
    run = lived(*life)
    before = run.api.account.all_objects()
    status, preview = run.api.account.request(
        "POST", "/v1/invoices/create_preview", {"subscription": run.subscription}
    )
    assert status in (200, 404), preview
    assert run.api.account.all_objects() == before
    if status == 404:
        return
    known = {invoice["id"] for invoice in run.api.invoices()}
    run.api.account.advance(datetime.fromtimestamp(max(preview["created"], run.now), UTC))
    new = [invoice for invoice in run.api.invoices() if invoice["id"] not in known]
    assert [invoice["total"] for invoice in new][:1] == [preview["total"]]
    assert at(2026, 1, 1) <= preview["created"]


def coverage(run: Life) -> dict[str, list[tuple[int, int]]]:
    """For each item how often each stretch of time is billed: debits count up, credits down.

    What a resumption billed whose invoice became void counts as not billed; what waited for that invoice
    before went with it and counts.
    """
    made = {body["id"]: body["date"] for body in run.api.account.all_objects().get("invoiceitem", [])}
    lines = [
        line
        for invoice in run.api.invoices()
        for line in invoice["lines"]["data"]
        if invoice["status"] != "void"
        or made.get(line["parent"]["subscription_item_details"]["invoice_item"], invoice["created"])
        < invoice["created"]
    ]
    lines += run.api.get("/v1/invoiceitems", {"pending": True, "limit": 100})["data"]
    turns: dict[str, dict[int, int]] = {}
    for line in lines:
        details = line["parent"].get("subscription_item_details") or line["parent"]["subscription_details"]
        if line["amount"]:
            sign = 1 if line["amount"] > 0 else -1
            own = turns.setdefault(details["subscription_item"], {})
            own[line["period"]["start"]] = own.get(line["period"]["start"], 0) + sign
            own[line["period"]["end"]] = own.get(line["period"]["end"], 0) - sign
    result = {}
    for item, own in turns.items():
        level, levels = 0, []
        for moment in sorted(own):
            level += own[moment]
            levels.append((moment, level))
        result[item] = levels
    return result


@settings(max_examples=40)
@given(lives)
def test_no_time_is_billed_twice_or_given_back_unbilled(life):
    _, trial_days, steps = life
    prorated = [
        (step, number, "create_prorations" if behavior == "none" else behavior)
        for step, number, behavior in steps
        if step != "collect"
    ]
    run = lived("flexible", trial_days, prorated)
    for item, levels in coverage(run).items():
        assert {level for _, level in levels} <= {0, 1}, (item, levels)


@st.composite
def planned(draw):
    """Phases with and without trials, and a pause of the whole."""
    cuts = sorted(draw(st.sets(st.integers(1, 200), min_size=1, max_size=4)))
    bounds = [START + timedelta(days=day) for day in (0, *cuts)]
    phases = []
    for begin, end in pairwise(bounds):
        trial = draw(st.sampled_from(["none", "none", "whole", "part"]))
        half = int((begin + (end - begin) / 2).timestamp())
        phases.append(
            {
                "quantity": draw(st.integers(0, 3)),
                "end_date": int(end.timestamp()),
                "proration_behavior": draw(PRORATIONS),
                **({"trial": True} if trial == "whole" else {}),
                **({"trial_end": half} if trial == "part" else {}),
            }
        )
    pause_at = int((START + timedelta(days=draw(st.integers(1, 150)))).timestamp())
    resume_at = pause_at + draw(st.integers(1, 60)) * DAY
    pause = {
        "pause": {"pause_at": {"type": "timestamp", "timestamp": pause_at}},
        "resume": {"resume_at": {"type": "timestamp", "timestamp": resume_at}},
    }
    return phases, draw(st.sampled_from([[], [pause]])), draw(st.sampled_from(["release", "cancel"]))


def scheduled(plan) -> Api:
    phases, pauses, end_behavior = plan
    api = Api(Account(START))
    price = api.price(3100)
    bodies = [{"items": [{"price": price, "quantity": phase["quantity"]}], **phase} for phase in phases]
    for body in bodies:
        del body["quantity"]
    api.schedule(*bodies, start=at(2026, 1, 1), pause_schedules=pauses, end_behavior=end_behavior)
    return api


@settings(max_examples=40)
@given(planned())
def test_planned_trials_and_pauses_do_not_mind_how_the_clock_moves(plan):
    whole, stepped = scheduled(plan), scheduled(plan)
    last = START + timedelta(days=260)
    whole.account.advance(last)
    while stepped.account.now < last:
        stepped.account.advance(min(stepped.account.now + timedelta(hours=29), last))
    assert stepped.account.all_objects() == whole.account.all_objects()


@settings(max_examples=40)
@given(planned())
def test_nothing_is_billed_for_the_time_of_a_trial(plan):
    phases, pauses, _ = plan
    api = scheduled(plan)
    api.account.advance(START + timedelta(days=260))
    free, begin = [], at(2026, 1, 1)
    for phase in phases:
        end = phase["end_date"] if phase.get("trial") else phase.get("trial_end")
        free += [] if end is None else [(begin, end)]
        begin = phase["end_date"]
    lines = [line for invoice in api.invoices() for line in invoice["lines"]["data"]]
    assert pauses or sum(line["amount"] for line in lines) >= 0
    for line in lines:
        span = line["period"]
        if line["amount"] > 0:
            assert not any(start <= span["start"] < end for start, end in free), (line, free)
