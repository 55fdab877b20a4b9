"""Which steps of a set-up are done: told by what is stored, so that one can leave and come back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import parse_configuration
from cpqbridge.store import connections, dry_runs, setups
from cpqbridge.store.connections import Connection
from cpqbridge.store.dry_runs import DryRunState
from cpqbridge.store.setups import StoredSetup

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

PASSED = "passed"
"""Where a set-up keeps the steps that a person looked through and left for the next one."""

ORG = "org"
"""Where a set-up keeps what the org said of itself, until there is a connection."""


class Step(StrEnum):
    """The steps of a set-up, in order; their values are the last part of their addresses."""

    SALESFORCE = "salesforce"
    STRIPE = "stripe"
    FIELDS = "fields"
    MAPPING = "mapping"
    PREFERENCES = "preferences"
    DRY_RUN = "dry-run"
    GO_LIVE = "go-live"


_BEFORE_THE_CONNECTION = frozenset({Step.SALESFORCE, Step.STRIPE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a set-up has come. `connection` is None until both sides are connected."""

    name: str
    connection: Connection | None
    done: frozenset[Step]

    @property
    def next_step(self) -> Step | None:
        """Return the first step that is not done, None when all are."""
        return next((step for step in Step if step not in self.done), None)

    def is_open(self, step: Step) -> bool:
        """Return whether a step can be opened now: the sides come first, and in order."""
        if self.connection is not None or step is Step.SALESFORCE:
            return True
        return step is Step.STRIPE and Step.SALESFORCE in self.done


class SetupProgress:
    """Says how far set-ups have come, and keeps that a step was looked through."""

    def __init__(self, service: SyncService) -> None:
        """Work on the store of `service`."""
        self._service = service

    def of(self, name: str) -> Progress:
        """Return how far the set-up, or the connection, of this name has come.

        Raises:
            ConfigurationError: there is neither (code `connection_unknown`).
        """
        with self._service.store.read() as transaction:
            setup = setups.by_name(transaction, name)
            known = {each.name: each for each in connections.list_all(transaction)}
            connection = known.get(name)
            if connection is None and setup is None:
                raise ConfigurationError(
                    f"There is no connection and no set-up named {name!r}.",
                    code="connection_unknown",
                    field="connection",
                    fix="Choose one of the list of connections.",
                )
            if connection is None:
                return Progress(name=name, connection=None, done=_begun(setup))
            connection_id = connection.connection_id
            document = connections.configuration(transaction, connection_id=connection_id)
            runs = dry_runs.of_connection(transaction, connection_id=connection_id)
        done = _BEFORE_THE_CONNECTION | _passed(setup)
        if any(each.state is DryRunState.DONE for each in runs):
            done |= {Step.DRY_RUN}
        if parse_configuration(document or {}).sync.live:
            # Whoever went live, here or on the command line, has nothing left to set up.
            done = frozenset(Step)
        return Progress(name=name, connection=connection, done=done)

    def pass_step(self, name: str, step: Step) -> Progress:
        """Keep that a person looked a step through, and return how far the set-up has come then.

        The first two steps are done by connecting, the last by going live, whatever is said here.
        """
        progress = self.of(name)
        if step in _BEFORE_THE_CONNECTION or step is Step.GO_LIVE or progress.connection is None:
            return progress
        with self._service.store.write() as transaction:
            now = self._service.clock.now()
            setup = setups.by_name(transaction, name) or setups.add(
                self._service.store,
                transaction,
                name=name,
                connection_id=progress.connection.connection_id,
                at=now,
            )
            passed = sorted({*_names(setup), step.value})
            setups.save(
                transaction,
                setup_id=setup.setup_id,
                document={**setup.document, PASSED: passed},
                at=now,
            )
        return self.of(name)


def _begun(setup: StoredSetup | None) -> frozenset[Step]:
    has_org = setup is not None and setup.document.get(ORG) is not None
    return frozenset({Step.SALESFORCE}) if has_org else frozenset()


def _passed(setup: StoredSetup | None) -> frozenset[Step]:
    known = {step.value for step in Step}
    return frozenset(Step(name) for name in _names(setup) if name in known)


def _names(setup: StoredSetup | None) -> Collection[str]:
    return () if setup is None else setup.document.get(PASSED, ())
