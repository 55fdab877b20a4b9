"""What meters are told: events, and taking single ones back.

Source: docs.stripe.com/api/billing/meter-event and meter-event-adjustment beside it, read 21 Nov 2026.
The vendor counts asynchronously; here an event counts as soon as it is answered.
"""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

from cpqbridge_sim.stripe.errors import StripeApiError, invalid, missing, no_such
from cpqbridge_sim.stripe.metering import UsageEvent
from cpqbridge_sim.stripe.resources.call import Call
from cpqbridge_sim.stripe.resources.meters import active_meter
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_IDENTIFIER_MAX = 100
_UNIQUE_SECONDS = 86_400
_CANCEL_SECONDS = 86_400
_PAST_SECONDS = 35 * 86_400
_FUTURE_SECONDS = 5 * 60
_INTEGER_DIGITS_MAX = 15
_DECIMALS_MAX = 15


def create(call: Call) -> Body:
    """`POST /v1/billing/meter_events`."""
    state, params = call.state, call.params
    meter = active_meter(state, params["event_name"])
    if meter is None:
        raise invalid(f'No active meter found for event name "{params["event_name"]}".', "event_name")
    payload = {name: str(value) for name, value in params["payload"].items()}
    customer_key = meter["customer_mapping"]["event_payload_key"]
    if customer_key not in payload:
        raise invalid(f"Customer mapping key {customer_key} not found in payload.", "payload")
    customer_id = payload[customer_key]
    now = state.time_of(customer_id)
    timestamp = _timestamp(params.get("timestamp", now), now)
    identifier = params.get("identifier") or state.identifiers.new("mev")
    _check_identifier(state, params["event_name"], identifier, now)
    event = UsageEvent(
        timestamp=timestamp, number=0, received_at=now, identifier=identifier, value=Fraction(0)
    )
    try:
        if state.store.get("customer", customer_id) is None:
            raise no_such("customer", customer_id, param=f"payload[{customer_key}]")
        value = _value(meter, payload)
    except StripeApiError:
        if state.assumptions.bad_meter_events_are_refused:
            raise
        return _shown(state, params["event_name"], event, payload)
    state.usage.identifiers[params["event_name"], identifier] = now
    counted = UsageEvent(timestamp=timestamp, number=0, received_at=now, identifier=identifier, value=value)
    state.usage.record(customer_id, meter["id"], counted)
    return _shown(state, params["event_name"], counted, payload)


def _timestamp(timestamp: int, now: int) -> int:
    if timestamp < now - _PAST_SECONDS:
        raise invalid(
            "The timestamp must be within the past 35 calendar days.",
            "timestamp",
            "timestamp_too_far_in_past",
        )
    if timestamp > now + _FUTURE_SECONDS:
        raise invalid(
            "The timestamp must not be more than 5 minutes in the future.", "timestamp", "timestamp_in_future"
        )
    return timestamp


def _check_identifier(state: AccountState, event_name: str, identifier: str, now: int) -> None:
    if len(identifier) > _IDENTIFIER_MAX:
        raise invalid(f"Invalid string: must be at most {_IDENTIFIER_MAX} characters", "identifier")
    used_at = state.usage.identifiers.get((event_name, identifier))
    if used_at is not None and now < used_at + _UNIQUE_SECONDS:
        raise invalid(f"An event already exists with identifier {identifier}.", "identifier")


def _value(meter: Body, payload: dict[str, str]) -> Fraction:
    """The exact value of an event; a meter that counts events needs none. Corrections may be negative."""
    key = meter["value_settings"]["event_payload_key"]
    if key not in payload:
        if meter["default_aggregation"]["formula"] == "count":
            return Fraction(1)
        raise invalid(f"Value key {key} not found in payload.", "payload", "meter_event_value_not_found")
    try:
        number = Decimal(payload[key])
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise invalid(f"Invalid value: {payload[key]}", f"payload[{key}]", "meter_event_invalid_value")
    exponent = number.normalize().as_tuple().exponent
    too_fine = isinstance(exponent, int) and -exponent > _DECIMALS_MAX
    if too_fine or abs(number) >= 10**_INTEGER_DIGITS_MAX:
        raise invalid(
            f"Invalid value: {payload[key][:40]}", f"payload[{key}]", "meter_event_value_too_many_digits"
        )
    return Fraction(number)


def _shown(state: AccountState, event_name: str, event: UsageEvent, payload: dict[str, str]) -> Body:
    return {
        "object": "billing.meter_event",
        "created": event.received_at,
        "event_name": event_name,
        "identifier": event.identifier,
        "livemode": state.livemode,
        "payload": payload,
        "timestamp": event.timestamp,
    }


def adjust(call: Call) -> Body:
    """`POST /v1/billing/meter_event_adjustments`: cancel an event within 24 hours of its receipt."""
    state, params = call.state, call.params
    meter = active_meter(state, params["event_name"])
    if meter is None:
        raise invalid(f'No active meter found for event name "{params["event_name"]}".', "event_name")
    identifier = (params.get("cancel") or {}).get("identifier")
    if identifier is None:
        raise missing("cancel[identifier]")
    found = state.usage.find(meter["id"], identifier)
    if found is None:
        raise no_such("meter event", identifier, param="cancel[identifier]")
    customer_id, event = found
    if state.time_of(customer_id) > event.received_at + _CANCEL_SECONDS:
        raise invalid("You can only cancel an event within 24 hours of its receipt.", "cancel[identifier]")
    state.usage.cancel(customer_id, meter["id"], event)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": params["event_name"],
        "livemode": state.livemode,
        "status": "complete",
        "type": "cancel",
    }
