"""The tables that only the app uses: people, set-up, versions, holds, dry runs, alerts, activity."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from cpqbridge.store.columns import JsonDocument, UtcInstant
from cpqbridge.store.tables import connection_column, metadata

__all__ = [
    "alert_channels",
    "alert_messages",
    "alerts",
    "call_hours",
    "configuration_versions",
    "dry_runs",
    "health_checks",
    "metadata",
    "oauth_requests",
    "one_time_links",
    "order_holds",
    "reconciliation_requests",
    "run_hours",
    "salesforce_logins",
    "sessions",
    "setups",
    "sign_in_failures",
    "users",
]

users = Table(
    "users",
    metadata,
    Column("user_id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(80), nullable=False),
    Column("name_key", String(255), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("password_changed_at", UtcInstant),
    Column("signed_in_at", UtcInstant),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), nullable=False),
    Column("user_id", Integer, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("seen_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("token_hash"),
    Index(None, "user_id"),
)

one_time_links = Table(
    "one_time_links",
    metadata,
    Column("token_hash", String(64), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("user_id", Integer, ForeignKey("users.user_id", ondelete="CASCADE")),
    Column("created_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("token_hash"),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("scope", String(120), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_at", UtcInstant, nullable=False),
    Column("blocked_until", UtcInstant),
    PrimaryKeyConstraint("scope"),
)

setups = Table(
    "setups",
    metadata,
    Column("setup_id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("connection_id", Integer, ForeignKey("connections.connection_id", ondelete="CASCADE")),
    Column("document", JsonDocument, nullable=False),
    Column("secrets", Text, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("updated_at", UtcInstant, nullable=False),
    Index(None, "connection_id"),
    sqlite_autoincrement=True,
)

salesforce_logins = Table(
    "salesforce_logins",
    metadata,
    connection_column(),
    Column("login_url", String(512), nullable=False),
    Column("client_id", String(255), nullable=False),
    Column("client_secret", Text, nullable=False),
    Column("refresh_token", Text, nullable=False),
    Column("username", String(255), nullable=False),
    Column("refreshed_at", UtcInstant, nullable=False),
    Column("claimed_until", UtcInstant),
    PrimaryKeyConstraint("connection_id"),
)

oauth_requests = Table(
    "oauth_requests",
    metadata,
    Column("state_hash", String(64), nullable=False),
    Column("setup_id", Integer, ForeignKey("setups.setup_id", ondelete="CASCADE"), nullable=False),
    Column("user_id", Integer, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False),
    Column("verifier", Text, nullable=False),
    Column("redirect_url", String(512), nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("state_hash"),
)

configuration_versions = Table(
    "configuration_versions",
    metadata,
    connection_column(),
    Column("version", Integer, nullable=False),
    Column("document", JsonDocument, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id", "version"),
)

order_holds = Table(
    "order_holds",
    metadata,
    connection_column(),
    Column("root_id", String(64), nullable=False),
    Column("order_id", String(18), nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("held_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id", "root_id"),
)

reconciliation_requests = Table(
    "reconciliation_requests",
    metadata,
    connection_column(),
    Column("actor", String(80), nullable=False),
    Column("requested_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id"),
)

dry_runs = Table(
    "dry_runs",
    metadata,
    Column("dry_run_id", Integer, primary_key=True, autoincrement=True),
    connection_column(),
    Column("state", String(16), nullable=False),
    Column("document", JsonDocument, nullable=False),
    Column("result", JsonDocument),
    Column("actor", String(80), nullable=False),
    Column("started_at", UtcInstant, nullable=False),
    Column("finished_at", UtcInstant),
    Index(None, "connection_id", "started_at"),
    sqlite_autoincrement=True,
)

health_checks = Table(
    "health_checks",
    metadata,
    connection_column(),
    Column("document", JsonDocument, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("checked_at", UtcInstant, nullable=False),
    PrimaryKeyConstraint("connection_id"),
)

alert_channels = Table(
    "alert_channels",
    metadata,
    Column("channel_id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("name", String(80), nullable=False),
    Column("target", Text, nullable=False),
    Column("settings", JsonDocument, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("last_sent_at", UtcInstant),
    Column("last_error", Text, nullable=False),
    sqlite_autoincrement=True,
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Integer, primary_key=True, autoincrement=True),
    connection_column(),
    Column("kind", String(32), nullable=False),
    Column("message", Text, nullable=False),
    Column("fix", Text, nullable=False),
    Column("items", JsonDocument, nullable=False),
    Column("raised_at", UtcInstant, nullable=False),
    Column("told_at", UtcInstant, nullable=False),
    Column("reminded_at", UtcInstant, nullable=False),
    Column("ended_at", UtcInstant),
    Index(None, "connection_id", "ended_at"),
    sqlite_autoincrement=True,
)

alert_messages = Table(
    "alert_messages",
    metadata,
    Column("message_id", Integer, primary_key=True, autoincrement=True),
    connection_column(),
    Column("alert_id", Integer, ForeignKey("alerts.alert_id", ondelete="CASCADE"), nullable=False),
    Column(
        "channel_id", Integer, ForeignKey("alert_channels.channel_id", ondelete="CASCADE"), nullable=False
    ),
    Column("subject", String(255), nullable=False),
    Column("text", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("next_at", UtcInstant, nullable=False),
    Column("sent_at", UtcInstant),
    Column("error", Text, nullable=False),
    Index(None, "state", "next_at"),
    Index(None, "channel_id", "message_id"),
    Index(None, "alert_id"),
    Index(None, "connection_id"),
    sqlite_autoincrement=True,
)

run_hours = Table(
    "run_hours",
    metadata,
    connection_column(),
    Column("hour_at", UtcInstant, nullable=False),
    Column("result", String(16), nullable=False),
    Column("runs", Integer, nullable=False),
    Column("seconds_by_bucket", JsonDocument, nullable=False),
    PrimaryKeyConstraint("connection_id", "hour_at", "result"),
)

call_hours = Table(
    "call_hours",
    metadata,
    connection_column(),
    Column("hour_at", UtcInstant, nullable=False),
    Column("side", String(16), nullable=False),
    Column("calls", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    PrimaryKeyConstraint("connection_id", "hour_at", "side"),
)
