"""A connection's configuration file (B14): from the parsed YAML to values and back.

The YAML text itself is read elsewhere. Unknown names and values are errors with a suggestion, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

from cpqbridge.domain.dates import day_begins
from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping import sections
from cpqbridge.mapping.mapping_section import mapping_document, parse_mapping
from cpqbridge.mapping.policies import (
    DEFAULT_ACTIVATED_CONDITION,
    Caps,
    CoterminatePolicy,
    CreditsPolicy,
    CreditTarget,
    EventsWay,
    EvergreenCredits,
    Filters,
    FrequenciesPolicy,
    ItemsPolicy,
    MultiplierPolicy,
    OverlapPolicy,
    Policy,
    ProratePrecision,
    ProrationPolicy,
    QuantityPolicy,
    RoundingPolicy,
    SyncSettings,
)
from cpqbridge.mapping.rules import MappingRules
from cpqbridge.mapping.sections import Section
from cpqbridge.mapping.values import shown

CONFIGURATION_VERSION = 1

_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)
_CONFIRMED = "prorate_precision_confirmed"
_DAY_SECONDS = 86_400
_MOST = 10_000_000
_MOST_DAYS = 36_500
# Stripe lists events for 30 days; one that is deleted here before would be taken for a new one.
_SHORTEST_HISTORY_DAYS = 35
_MOST_A_SECOND = 1000
_FILTER_NAMES = {
    "Order": "order",
    "Account": "account",
    "Product2": "product",
    "PricebookEntry": "pricebook_entry",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything an admin can set for one connection. `currency` is a lower-case code (B3.7)."""

    sync: SyncSettings = field(default_factory=SyncSettings)
    currency: str | None = None
    filters: Filters = field(default_factory=Filters)
    policy: Policy = field(default_factory=Policy)
    caps: Caps = field(default_factory=Caps)
    mapping: MappingRules = field(default_factory=MappingRules)

    @property
    def activated_since(self) -> datetime | None:
        """Return when the start date begins in the connection's time zone (aware UTC), None without one."""
        start = self.sync.start_date
        return None if start is None else day_begins(start, self.policy.time_zone)


def default_configuration() -> Configuration:
    """Return the configuration of an empty file."""
    return Configuration()


def parse_configuration(raw: object) -> Configuration:
    """Return the configuration that a parsed YAML file stands for; None (an empty file) is the default.

    Raises:
        ConfigurationError: a name, a value or a path is not known; `field` is its dotted path and `fix`
            has a suggestion. Codes: configuration_unknown_key, configuration_value, configuration_path.
    """
    names = ("version", "sync", "currency", "filters", "policy", "caps", "mapping")
    section = Section(raw, "", names)
    section.read("version", _version, CONFIGURATION_VERSION)
    return Configuration(
        sync=section.read("sync", _sync, SyncSettings()),
        currency=section.read("currency", currency_code, None),
        filters=section.read("filters", _filters, Filters()),
        policy=section.read("policy", _policy, Policy()),
        caps=section.read("caps", _caps, Caps()),
        mapping=section.read("mapping", parse_mapping, MappingRules()),
    )


def configuration_document(configuration: Configuration) -> dict[str, object]:
    """Return the file's content for a configuration, ready for YAML or JSON; parsing it gives the same again.

    The prorate precision is left out while nobody has confirmed it.
    """
    sync, caps = configuration.sync, configuration.caps
    return {
        "version": CONFIGURATION_VERSION,
        "sync": {
            "live": sync.live,
            "start_date": None if sync.start_date is None else sync.start_date.isoformat(),
            "poll_seconds": sync.poll_seconds,
            "api_share": _plain(sync.api_share),
            "stripe_rate": sync.stripe_rate,
            "record_retention": sync.record_retention,
            "history_days": sync.history_days,
            "audit_days": sync.audit_days,
            "events": sync.events.value,
            "events_poll_seconds": sync.events_poll_seconds,
        },
        "currency": configuration.currency,
        "filters": _filter_document(configuration.filters),
        "policy": _policy_document(configuration.policy),
        "caps": {
            "bill_per_order": None if caps.bill_per_order is None else _plain(caps.bill_per_order),
            "cancels_per_hour": caps.cancels_per_hour,
            "backdated_periods": caps.backdated_periods,
        },
        "mapping": mapping_document(configuration.mapping),
    }


def currency_code(value: object, path: str) -> str | None:
    """Return a currency as a lower-case code of three letters; None and blank stay None.

    Raises:
        ConfigurationError: the value is something else.
    """
    given = sections.optional_text(value, path)
    if given is not None and not _CURRENCY.fullmatch(given):
        raise sections.wrong_value(path, value, "a currency code of three letters like usd")
    return given.lower() if given is not None else None


def _plain(value: Decimal) -> int | str:
    """Return a number as YAML writes it without losing digits: an int, else its text."""
    return int(value) if value == value.to_integral_value() else format(value, "f")


def _version(value: object, path: str) -> int:
    if isinstance(value, bool) or value != CONFIGURATION_VERSION:
        raise sections.wrong_value(path, value, f"{CONFIGURATION_VERSION}, the version this release reads")
    return CONFIGURATION_VERSION


def _sync(raw: object, path: str) -> SyncSettings:
    section = Section(raw, path, [item.name for item in fields(SyncSettings)])
    default = SyncSettings()
    return SyncSettings(
        live=section.read("live", sections.true_or_false, default.live),
        start_date=section.read("start_date", sections.calendar_date, default.start_date),
        poll_seconds=section.read("poll_seconds", sections.whole_number(1, _DAY_SECONDS), 60),
        api_share=section.read("api_share", _share, default.api_share),
        stripe_rate=section.read("stripe_rate", _rate, default.stripe_rate),
        record_retention=section.read(
            "record_retention", sections.whole_number(0, _MOST), default.record_retention
        ),
        history_days=section.read(
            "history_days", sections.whole_number(_SHORTEST_HISTORY_DAYS, _MOST_DAYS), default.history_days
        ),
        audit_days=section.read(
            "audit_days", sections.whole_number(_SHORTEST_HISTORY_DAYS, _MOST_DAYS), default.audit_days
        ),
        events=section.read("events", _events, default.events),
        events_poll_seconds=section.read(
            "events_poll_seconds", sections.whole_number(60, _DAY_SECONDS), default.events_poll_seconds
        ),
    )


def _rate(value: object, path: str) -> int | None:
    return None if value is None else sections.whole_number(1, _MOST_A_SECOND)(value, path)


def _events(value: object, path: str) -> EventsWay:
    # YAML reads a bare `off` as false.
    return sections.choice(EventsWay)("off" if value is False else value, path)


def _share(value: object, path: str) -> Decimal:
    share = _written_number(value, path)
    if not 0 < share <= 1:
        raise sections.wrong_value(path, value, "a share above 0 and up to 1, like 0.6")
    return share


def _written_number(value: object, path: str) -> Decimal:
    """Return a number that may also be written as a text, which keeps all its digits in YAML."""
    if isinstance(value, str):
        try:
            return sections.number(Decimal(value.strip()), path)
        except ArithmeticError:
            raise sections.wrong_value(path, value, "a number") from None
    return sections.number(value, path)


def _filters(raw: object, path: str) -> Filters:
    section = Section(raw, path, (*_FILTER_NAMES, "activated"))
    read = section.read
    condition: str | None = DEFAULT_ACTIVATED_CONDITION
    return Filters(
        order=read("Order", sections.optional_text, None),
        account=read("Account", sections.optional_text, None),
        product=read("Product2", sections.optional_text, None),
        pricebook_entry=read("PricebookEntry", sections.optional_text, None),
        activated=read("activated", sections.optional_text, condition),
    )


def _filter_document(filters: Filters) -> Mapping[str, str | None]:
    document: dict[str, str | None] = {
        name: condition
        for name, attribute in _FILTER_NAMES.items()
        if (condition := getattr(filters, attribute)) is not None
    }
    if filters.activated != DEFAULT_ACTIVATED_CONDITION:
        document["activated"] = filters.activated
    return document


def _policy(raw: object, path: str) -> Policy:
    section = Section(raw, path, [item.name for item in fields(Policy) if item.name != _CONFIRMED])
    read, choice, default = section.read, sections.choice, Policy()
    return Policy(
        time_zone=read("time_zone", _time_zone, default.time_zone),
        prorate_precision=read("prorate_precision", choice(ProratePrecision), default.prorate_precision),
        prorate_precision_confirmed=section.has("prorate_precision"),
        items=read("items", choice(ItemsPolicy), default.items),
        proration=read("proration", choice(ProrationPolicy), default.proration),
        credits=read("credits", choice(CreditsPolicy), default.credits),
        credit_target=read("credit_target", choice(CreditTarget), default.credit_target),
        evergreen_credits=read("evergreen_credits", choice(EvergreenCredits), default.evergreen_credits),
        rounding=read("rounding", choice(RoundingPolicy), default.rounding),
        coterminate=read("coterminate", choice(CoterminatePolicy), default.coterminate),
        quantity=read("quantity", choice(QuantityPolicy), default.quantity),
        frequencies=read("frequencies", choice(FrequenciesPolicy), default.frequencies),
        multiplier_mismatch=read(
            "multiplier_mismatch", choice(MultiplierPolicy), default.multiplier_mismatch
        ),
        overlap=read("overlap", choice(OverlapPolicy), default.overlap),
    )


def _policy_document(policy: Policy) -> dict[str, object]:
    return {
        item.name: str(getattr(policy, item.name))
        for item in fields(Policy)
        if item.name != _CONFIRMED
        and (item.name != "prorate_precision" or policy.prorate_precision_confirmed)
    }


def _time_zone(value: object, path: str) -> str:
    name = sections.text(value, path)
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ConfigurationError(
            f"{path} is {shown(value)}, which is not a time zone.",
            code="configuration_value",
            field=path,
            fix=_time_zone_suggestion(name),
        ) from None
    return name


def _time_zone_suggestion(name: str) -> str:
    fix = sections.suggestion(name, available_timezones())
    return fix if fix.startswith("Did") else "Write an IANA name like UTC or Europe/Zurich."


def _caps(raw: object, path: str) -> Caps:
    section = Section(raw, path, ("bill_per_order", "cancels_per_hour", "backdated_periods"))
    default = Caps()
    return Caps(
        bill_per_order=section.read("bill_per_order", _limit, default.bill_per_order),
        cancels_per_hour=section.read(
            "cancels_per_hour", sections.whole_number(0, _MOST), default.cancels_per_hour
        ),
        backdated_periods=section.read(
            "backdated_periods", sections.whole_number(0, _MOST), default.backdated_periods
        ),
    )


def _limit(value: object, path: str) -> Decimal | None:
    if value is None:
        return None
    limit = _written_number(value, path)
    if limit < 0:
        raise sections.wrong_value(path, value, "an amount of at least 0, or null for no limit")
    return limit
