"""The data mapper (B10): what fills each parameter, changed, checked, tried on an order, and saved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cpqbridge.errors import (
    AccessLostError,
    ConfigurationError,
    CpqbridgeError,
    PausedError,
    TransientError,
)
from cpqbridge.mapping.mapping_section import parse_mapping
from cpqbridge.mapping.parameter_words import OBJECT_WORDS, ObjectWords
from cpqbridge.mapping.rules import STRIPE_OBJECTS
from cpqbridge.store import connections, order_lists
from cpqbridge.store.order_lists import OrderSearch, OrderSort
from cpqbridge.sync.configure import Configure
from cpqbridge.sync.field_picker import FieldChoice, FieldPicker
from cpqbridge.sync.mapping_check import RuleProblem, described_for, rule_problems
from cpqbridge.sync.mapping_draft import Draft, draft_of, read_draft, with_rules
from cpqbridge.sync.mapping_sheet import EditedRules, MappingSheet, mapping_sheet, target_of
from cpqbridge.sync.mapping_trial import try_mapping

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

_RECENT_ORDERS = 20
_ORG_IS_OUT = (AccessLostError, PausedError, TransientError)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedObject:
    """One Stripe object in the overview: how many parameters have a rule of their own, and what is wrong."""

    stripe_object: str
    words: ObjectWords
    mapped: int
    problems: tuple[RuleProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOverview:
    """The whole mapping in force; `unchecked` says why the org could not be asked, None when it was.

    `prefix` stands in front of our field names on Salesforce's objects.
    """

    version: int
    prefix: str
    objects: tuple[MappedObject, ...]
    unchecked: CpqbridgeError | None


class MapFields:
    """The mapper of one connection; nothing is kept between two calls."""

    def __init__(self, service: SyncService, name: str | None) -> None:
        """Work on the connection of this name; None is the only one there is."""
        self._service = service
        self._name = name

    def overview(self) -> MappingOverview:
        """Return the mapping in force, checked against the org as far as that can be asked."""
        configured = Configure(self._service).current(self._name)
        rules = configured.configuration.mapping
        problems: tuple[RuleProblem, ...] = ()
        unchecked = None
        if rules.objects:
            try:
                problems = rule_problems(
                    rules, described_for(rules, self._service.open(self._name).salesforce)
                )
            except _ORG_IS_OUT as error:
                unchecked = error
        objects = tuple(
            MappedObject(
                stripe_object=name,
                words=words,
                mapped=len(rules.of(name)),
                problems=tuple(each for each in problems if each.stripe_object == name),
            )
            for name, words in OBJECT_WORDS.items()
        )
        return MappingOverview(
            version=configured.version,
            prefix=rules.salesforce_prefix,
            objects=objects,
            unchecked=unchecked,
        )

    def sheet(
        self, stripe_object: str, draft: Draft | None = None, *, order: str = "", sample: int = 0
    ) -> MappingSheet:
        """Return the sheet of a Stripe object, checked against the org. Nothing is written.

        Where Salesforce cannot be asked the sheet says so, and shows the rules unchecked.

        Args:
            stripe_object: one of `cpqbridge.mapping.rules.STRIPE_OBJECTS`.
            draft: its rules as somebody edits them; None shows those in force.
            order: id or number of an order to try the rules on; empty for none.
            sample: which of several objects of the order stands beside the rows, from 0.

        Raises:
            ConfigurationError: there is no such object, connection or order.
        """
        _require_known(stripe_object)
        configured = Configure(self._service).current(self._name)
        rules = configured.configuration.mapping.of(stripe_object)
        draft = draft_of(rules) if draft is None else draft
        read = read_draft(stripe_object, draft)
        drafted = with_rules(configured.configuration, stripe_object, read.rules)
        only = replace(drafted.mapping, objects={stripe_object: read.rules})
        problems = read.problems
        trial, unchecked = None, None
        if read.rules or order:
            try:
                opened = self._service.open(self._name)
                problems += rule_problems(only, described_for(only, opened.salesforce))
                if order and not problems:
                    now = self._service.clock_of(opened.connection).now()
                    trial = try_mapping(opened, order, drafted, now=now)
            except _ORG_IS_OUT as error:
                unchecked = error
        edited = EditedRules(draft=draft, rules=read.rules, problems=problems, unchecked=unchecked)
        return mapping_sheet(configured, stripe_object, edited, trial=trial, sample=sample)

    def save(self, stripe_object: str, draft: Draft, *, based_on: int, reason: str = "") -> int:
        """Put the draft of one Stripe object in force as a new version and return its number.

        Raises:
            ConfigurationError: a rule is wrong (`field` is its path), or as `Configure.save`.
        """
        _require_known(stripe_object)
        read = read_draft(stripe_object, draft)
        if read.problems:
            first = read.problems[0]
            raise ConfigurationError(first.message, code="mapping_unfit", field=first.path, fix=first.fix)
        configure = Configure(self._service)
        drafted = with_rules(configure.current(self._name).configuration, stripe_object, read.rules)
        return configure.save(self._name, drafted, based_on=based_on, reason=reason)

    def recent_orders(self) -> tuple[str, ...]:
        """Return the numbers of the orders that changed last here, the last one first."""
        with self._service.store.read() as transaction:
            connection = connections.find(transaction, self._name)
            wanted = OrderSearch(
                connection_id=connection.connection_id,
                sort=OrderSort.CHANGED,
                is_descending=True,
                limit=_RECENT_ORDERS,
            )
            return tuple(each.order_number for each in order_lists.search(transaction, wanted).rows)

    def set_prefix(self, prefix: str, *, based_on: int) -> int:
        """Save what stands in front of our field names on Salesforce's objects, and return the version.

        Raises:
            ConfigurationError: it is no beginning of an API name, or as `Configure.save`.
        """
        configure = Configure(self._service)
        configuration = configure.current(self._name).configuration
        checked = parse_mapping({"salesforce_prefix": prefix}, "mapping")
        mapping = replace(configuration.mapping, salesforce_prefix=checked.salesforce_prefix)
        return configure.save(self._name, replace(configuration, mapping=mapping), based_on=based_on)

    def fields(self, stripe_object: str, parameter: str, *, at: str = "", search: str = "") -> FieldChoice:
        """Return the fields that a parameter can be filled from; see `FieldPicker.choice`.

        Raises:
            ConfigurationError: there is no such object or connection.
            CpqbridgeError: Salesforce does not answer.
        """
        _require_known(stripe_object)
        picker = FieldPicker(self._service.open(self._name).salesforce, stripe_object)
        return picker.choice(target_of(stripe_object, parameter), at=at, search=search)


def _require_known(stripe_object: str) -> None:
    if stripe_object not in STRIPE_OBJECTS:
        raise ConfigurationError(
            f"There is no Stripe object {stripe_object!r} to map.",
            code="mapping_object_unknown",
            field="object",
            fix=f"Choose one of {', '.join(STRIPE_OBJECTS)}.",
        )
