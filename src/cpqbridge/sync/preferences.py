"""The preferences of a connection: looked at, checked against its org, and saved as a version."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import Configuration, configuration_document, parse_configuration
from cpqbridge.mapping.configuration_changes import Change, configuration_changes
from cpqbridge.mapping.policies import Filters
from cpqbridge.mapping.policy_words import POLICY_WORDS
from cpqbridge.planning.proration import InferredPrecision, infer_precision
from cpqbridge.store import connections, event_contracts
from cpqbridge.sync.configure import Configure, Configured
from cpqbridge.sync.filter_check import FilterChecked, checked_filters

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

_LEAVES_OUT = "Billed orders that it leaves out from now on are held; what Stripe bills is left as it is."
_LINES = (
    "Orders with a billed line that it leaves out, or takes in, are held; what Stripe bills is left as it is."
)
_REACHES_RUNNING = {
    "currency": "Orders without a currency of their own are read in another one; billed ones are held.",
    "filters.activated": _LEAVES_OUT,
    "filters.Order": _LEAVES_OUT,
    "filters.Account": _LEAVES_OUT,
    "filters.Product2": _LINES,
    "filters.PricebookEntry": _LINES,
    "sync.start_date": _LEAVES_OUT,
    "policy.time_zone": "It says which day it is for what is synced from now on, the start date included.",
    **{f"policy.{words.name}": words.reaches_running for words in POLICY_WORDS if words.reaches_running},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A changed setting that concerns contracts that are billed already, and what it does to them."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What saving would do: every changed setting, and those of them that concern running contracts.

    `running` is how many contracts are not over yet.
    """

    changes: tuple[Change, ...]
    reaching: tuple[Effect, ...]
    running: int

    @property
    def needs_consent(self) -> bool:
        """Return whether a person must agree first: contracts that are billed already are concerned."""
        return bool(self.reaching) and self.running > 0


class Preferences:
    """What an admin prefers for a connection, and what the org says about it."""

    def __init__(self, service: SyncService) -> None:
        """Work on the connections of `service`."""
        self._service = service
        self._configure = Configure(service)

    def current(self, name: str | None) -> Configured:
        """Return the configuration in force with its version."""
        return self._configure.current(name)

    def check_filters(self, name: str | None, filters: Filters) -> tuple[FilterChecked, ...]:
        """Return what the org says of the filters that are set; see `checked_filters`."""
        return checked_filters(self._service.open(name).salesforce, filters)

    def infer_precision(self, name: str | None) -> InferredPrecision | None:
        """Return which prorate precision the org's newest lines show, None where none of them can tell."""
        return infer_precision(self._service.open(name).salesforce.lines_that_tell_precision())

    def effects(self, name: str | None, configuration: Configuration) -> Effects:
        """Return what saving the configuration would change."""
        before = self.current(name)
        changes = configuration_changes(
            configuration_document(before.configuration), configuration_document(configuration)
        )
        reaching = tuple(
            Effect(change=change, text=_REACHES_RUNNING[change.path])
            for change in changes
            if change.path in _REACHES_RUNNING
        )
        return Effects(
            changes=changes, reaching=reaching, running=self.running_contracts(name) if reaching else 0
        )

    def running_contracts(self, name: str | None) -> int:
        """Return how many contracts are billed by a schedule that is not over."""
        with self._service.store.read() as transaction:
            connection = connections.find(transaction, name)
            return len(
                event_contracts.running_since(
                    transaction,
                    connection_id=connection.connection_id,
                    since=self._service.clock_of(connection).now(),
                )
            )

    def save(
        self,
        name: str | None,
        configuration: Configuration,
        *,
        based_on: int | None = None,
        confirmed: bool = False,
        reason: str = "",
    ) -> int:
        """Put preferences in force as a new version and return its number.

        Args:
            name: the connection; None for the only one there is.
            configuration: the whole configuration as it is to be.
            based_on: the version that was changed, as in `Configure.save`.
            confirmed: whether a person saw how many running contracts are concerned.
            reason: why, for whoever reads the list of versions.

        Raises:
            ConfigurationError: running contracts are concerned and nobody agreed (code
                `preferences_not_confirmed`); or as `Configure.save`, which asks the org about filters.
        """
        effects = self.effects(name, configuration)
        if effects.needs_consent and not confirmed:
            raise ConfigurationError(
                f"Contracts that are billed already are concerned: {effects.running}.",
                code="preferences_not_confirmed",
                field=effects.reaching[0].change.path,
                fix="Look at what it does to them, then say that you agree.",
            )
        return self._configure.save(name, configuration, based_on=based_on, reason=reason)


def problems(document: Mapping[str, Any]) -> dict[str, ConfigurationError]:
    """Return everything that is wrong with a configuration's document, by dotted path.

    A value that is wrong is left out and the rest is read again, so that all are found at once.
    """
    rest: dict[str, Any] = deepcopy(dict(document))
    found: dict[str, ConfigurationError] = {}
    while True:
        try:
            parse_configuration(rest)
        except ConfigurationError as error:
            path = error.field or ""
            if path in found or not _removed(rest, path):
                # Nothing can be left out to read on.
                found.setdefault(path, error)
                return found
            found[path] = error
        else:
            return found


def _removed(document: dict[str, Any], path: str) -> bool:
    """Take the value at a path out; return whether there was one."""
    *sections, name = path.split(".", 1)
    inner = document.get(sections[0]) if sections else document
    if not isinstance(inner, dict) or name not in inner:
        return False
    del inner[name]
    return True
