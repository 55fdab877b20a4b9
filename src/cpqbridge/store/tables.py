"""The tables. Every row carries its connection but those of `connections` itself and of the home's people.

Those that only the app uses are in `app_tables`. A change here or there needs a new module in
`migrations/versions`; a test compares both.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from cpqbridge.store.columns import JsonDocument, UtcInstant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def connection_column() -> Column[int]:
    """Return the column that says whose connection's a row is; it goes with its connection."""
    return Column(
        "connection_id", Integer, ForeignKey("connections.connection_id", ondelete="CASCADE"), nullable=False
    )


connections = Table(
    "connections",
    metadata,
    Column("connection_id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("org_id", String(18), nullable=False),
    Column("org_name", String(255), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("multi_currency", Boolean, nullable=False),
    Column("salesforce_url", String(512), nullable=False),
    Column("salesforce_token", Text, nullable=False),
    Column("stripe_account_id", String(64), nullable=False),
    Column("stripe_account_name", String(255), nullable=False),
    Column("stripe_api_base", String(512)),
    Column("stripe_key", Text, nullable=False),
    Column("live_mode", Boolean, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("access_lost", Text),
    Column("created_at", UtcInstant, nullable=False),
    Column("checked_at", UtcInstant, nullable=False),
    sqlite_autoincrement=True,
)

configurations = Table(
    "configurations",
    metadata,
    connection_column(),
    Column("document", JsonDocument, nullable=False),
    Column("updated_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id"),
)

schema_caches = Table(
    "schema_caches",
    metadata,
    connection_column(),
    Column("document", JsonDocument, nullable=False),
    Column("fetched_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id"),
)

links = Table(
    "links",
    metadata,
    connection_column(),
    Column("key", String(255), nullable=False),
    Column("object_kind", String(32), nullable=False),
    Column("stripe_id", String(255), nullable=False),
    Column("fingerprint", String(128), nullable=False),
    Column("updated_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id", "key"),
    Index(None, "connection_id", "stripe_id"),
)

intents = Table(
    "intents",
    metadata,
    Column("intent_id", Integer, primary_key=True, autoincrement=True),
    connection_column(),
    Column("root_id", String(64), nullable=False),
    Column("step_key", String(255), nullable=False),
    Column("action", String(32), nullable=False),
    Column("fingerprint", String(128), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("idempotency_key", String(255), nullable=False),
    Column("target", String(255)),
    Column("parameters", JsonDocument, nullable=False),
    Column("expected_total_minor", Integer),
    Column("object", JsonDocument),
    Column("state", String(16), nullable=False),
    Column("stripe_id", String(255)),
    Column("error", Text),
    Column("created_at", UtcInstant, nullable=False),
    Column("finished_at", UtcInstant),
    UniqueConstraint("connection_id", "idempotency_key"),
    Index(None, "connection_id", "root_id", "state"),
    Index(None, "connection_id", "step_key"),
    Index(None, "connection_id", "action", "finished_at"),
    sqlite_autoincrement=True,
)

billing_objects = Table(
    "billing_objects",
    metadata,
    connection_column(),
    Column("root_id", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    Column("document", JsonDocument, nullable=False),
    Column("updated_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id", "root_id", "key"),
)

timers = Table(
    "timers",
    metadata,
    connection_column(),
    Column("root_id", String(64), nullable=False),
    Column("order_id", String(18), nullable=False),
    Column("due_at", UtcInstant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id", "root_id"),
    Index(None, "connection_id", "next_at"),
)

plans = Table(
    "plans",
    metadata,
    Column("plan_id", Integer, primary_key=True, autoincrement=True),
    connection_column(),
    Column("root_id", String(64), nullable=False),
    Column("document", JsonDocument, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("finished_at", UtcInstant),
    Index(None, "connection_id", "root_id"),
    sqlite_autoincrement=True,
)

_FILTERED = ("connection_id", "state")

order_states = Table(
    "order_states",
    metadata,
    connection_column(),
    Column("order_id", String(18), nullable=False),
    Column("order_number", String(64), nullable=False),
    Column("root_id", String(64), nullable=False),
    Column("contract_key", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("code", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("fix", Text, nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("field", String(255), nullable=False),
    Column("request_link", Text),
    Column("retryable", Boolean, nullable=False),
    Column("plan_id", Integer),
    Column("modified_at", String(40), nullable=False),
    Column("updated_at", UtcInstant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_try_at", UtcInstant),
    Column("noticed_stamp", String(40), nullable=False, server_default=""),
    Column("account_name", String(255), nullable=False, server_default=""),
    Column("currency", String(3), nullable=False, server_default=""),
    Column("sold_minor", BigInteger),
    Column("billed_minor", BigInteger),
    Column("is_mismatch", Boolean, nullable=False, server_default=false()),
    Column("cause", String(80), nullable=False, server_default=""),
    PrimaryKeyConstraint("connection_id", "order_id"),
    # What a list is sorted by, with all that it is filtered by: one is read instead of the rows themselves.
    Index("ix_order_states_by_number", "order_number", "order_id", *_FILTERED, "account_name"),
    Index("ix_order_states_by_change", "updated_at", "order_id", *_FILTERED, "order_number", "account_name"),
    Index("ix_order_states_by_account", "account_name", "order_id", *_FILTERED, "order_number"),
    Index("ix_order_states_by_state", "state", "order_number", "order_id", "connection_id", "account_name"),
    Index(None, "state", "code"),
    Index(None, "order_id"),
    Index(None, "contract_key"),
    Index(None, "root_id"),
    Index(None, "connection_id", "cause", "state"),
    Index(None, "connection_id", "root_id"),
    Index(None, "connection_id", "state"),
    Index(None, "connection_id", "next_try_at"),
)

cursors = Table(
    "cursors",
    metadata,
    connection_column(),
    Column("name", String(32), nullable=False),
    Column("instant", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id", "name"),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer, primary_key=True, autoincrement=True),
    Column("connection_id", Integer),
    Column("at", UtcInstant, nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("detail", JsonDocument, nullable=False),
    Column("actor", String(80), nullable=False, server_default=""),
    Column("before", JsonDocument),
    Column("after", JsonDocument),
    Index(None, "connection_id", "at"),
    Index(None, "actor", "at"),
    Index(None, "connection_id", "subject"),
    sqlite_autoincrement=True,
)

lanes = Table(
    "lanes",
    metadata,
    connection_column(),
    Column("root_id", String(64), nullable=False),
    Column("owner", String(128), nullable=False),
    Column("host", String(255), nullable=False),
    Column("process_id", Integer, nullable=False),
    Column("workflow_id", String(128), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id", "root_id"),
)

watches = Table(
    "watches",
    metadata,
    connection_column(),
    Column("root_id", String(64), nullable=False),
    Column("object_name", String(80), nullable=False),
    Column("record_id", String(18), nullable=False),
    Column("stamp", String(40), nullable=False),
    PrimaryKeyConstraint("connection_id", "root_id", "object_name", "record_id"),
    Index(None, "connection_id", "record_id"),
)

polls = Table(
    "polls",
    metadata,
    connection_column(),
    Column("polled_at", UtcInstant, nullable=False),
    Column("succeeded_at", UtcInstant),
    Column("code", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("fix", Text, nullable=False),
    Column("configuration", String(64), nullable=False),
    PrimaryKeyConstraint("connection_id"),
)

stripe_events = Table(
    "stripe_events",
    metadata,
    connection_column(),
    Column("event_id", String(255), nullable=False),
    Column("type", String(80), nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("received_at", UtcInstant, nullable=False),
    Column("names", JsonDocument, nullable=False),
    Column("request_key", String(255)),
    Column("root_id", String(64)),
    Column("state", String(16), nullable=False),
    PrimaryKeyConstraint("connection_id", "event_id"),
    Index(None, "connection_id", "state", "received_at"),
    Index(None, "connection_id", "received_at"),
)

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("secret_id", Integer, primary_key=True, autoincrement=True),
    connection_column(),
    Column("secret", Text, nullable=False),
    Column("added_at", UtcInstant, nullable=False),
    Index(None, "connection_id"),
    sqlite_autoincrement=True,
)

usage_spans = Table(
    "usage_spans",
    metadata,
    connection_column(),
    Column("root_id", String(64), nullable=False),
    Column("meter", String(255), nullable=False),
    Column("starts_at", UtcInstant, nullable=False),
    Column("ends_at", UtcInstant),
    Column("account_id", String(18), nullable=False),
    Column("contract_key", String(64), nullable=False),
    PrimaryKeyConstraint("connection_id", "root_id", "meter", "starts_at"),
    Index(None, "connection_id", "account_id"),
)

tries = Table(
    "tries",
    metadata,
    connection_column(),
    Column("step", String(255), nullable=False),
    Column("instants", JsonDocument, nullable=False),
    Column("last_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id", "step"),
)

rate_buckets = Table(
    "rate_buckets",
    metadata,
    Column("scope", String(255), nullable=False),
    Column("micro_tokens", Integer, nullable=False),
    Column("filled_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("scope"),
)

api_usage = Table(
    "api_usage",
    metadata,
    connection_column(),
    Column("used", Integer, nullable=False),
    Column("allowed", Integer, nullable=False),
    Column("noted_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id"),
)

pauses = Table(
    "pauses",
    metadata,
    Column("scope", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("paused_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("scope"),
)

parked_runs = Table(
    "parked_runs",
    metadata,
    connection_column(),
    Column("root_id", String(64), nullable=False),
    Column("task", JsonDocument, nullable=False),
    Column("parked_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id", "root_id"),
)

findings = Table(
    "findings",
    metadata,
    Column("finding_id", Integer, primary_key=True, autoincrement=True),
    connection_column(),
    Column("root_id", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("fingerprint", String(128), nullable=False),
    Column("document", JsonDocument, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("first_seen_at", UtcInstant, nullable=False),
    Column("last_seen_at", UtcInstant, nullable=False),
    Column("closed_at", UtcInstant),
    Column("accepted_by", String(80), nullable=False, server_default=""),
    Column("accepted_at", UtcInstant),
    UniqueConstraint("connection_id", "root_id", "kind", "subject"),
    Index(None, "connection_id", "state"),
    sqlite_autoincrement=True,
)

reconciliations = Table(
    "reconciliations",
    metadata,
    connection_column(),
    Column("started_at", UtcInstant, nullable=False),
    Column("finished_at", UtcInstant),
    Column("last_place", String(255), nullable=False),
    Column("contracts", Integer, nullable=False),
    Column("total", Integer, nullable=False, server_default="0"),
    Column("problem", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("connection_id"),
)
