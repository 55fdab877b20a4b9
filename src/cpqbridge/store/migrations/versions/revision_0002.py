"""Live sync: watched records, Stripe's events, rate limits, pauses, findings; new tries are planned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Add what live sync needs to the first schema."""
    op.add_column("order_states", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("order_states", sa.Column("next_try_at", sa.String(length=32), nullable=True))
    op.add_column(
        "order_states", sa.Column("noticed_stamp", sa.String(length=40), server_default="", nullable=False)
    )
    op.create_index(
        op.f("ix_order_states_connection_id_next_try_at"), "order_states", ["connection_id", "next_try_at"]
    )
    op.create_index(op.f("ix_links_connection_id_stripe_id"), "links", ["connection_id", "stripe_id"])
    _create_watches()
    _create_polls()
    _create_stripe_events()
    _create_webhook_secrets()
    _create_usage_spans()
    _create_tries()
    _create_rate_buckets()
    _create_api_usage()
    _create_pauses()
    _create_parked_runs()
    _create_findings()
    _create_reconciliations()


def downgrade() -> None:
    """Refuse: going back means restoring a backup made before the upgrade."""
    raise NotImplementedError("restore a backup instead")


def _create_watches() -> None:
    op.create_table(
        "watches",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("root_id", sa.String(length=64), nullable=False),
        sa.Column("object_name", sa.String(length=80), nullable=False),
        sa.Column("record_id", sa.String(length=18), nullable=False),
        sa.Column("stamp", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_watches_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "connection_id", "root_id", "object_name", "record_id", name=op.f("pk_watches")
        ),
    )
    op.create_index(
        op.f("ix_watches_connection_id_record_id"),
        "watches",
        ["connection_id", "record_id"],
        unique=False,
    )


def _create_polls() -> None:
    op.create_table(
        "polls",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("polled_at", sa.String(length=32), nullable=False),
        sa.Column("succeeded_at", sa.String(length=32), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("fix", sa.Text(), nullable=False),
        sa.Column("configuration", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_polls_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_polls")),
    )


def _create_stripe_events() -> None:
    op.create_table(
        "stripe_events",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("received_at", sa.String(length=32), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("request_key", sa.String(length=255), nullable=True),
        sa.Column("root_id", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_stripe_events_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "event_id", name=op.f("pk_stripe_events")),
    )
    op.create_index(
        op.f("ix_stripe_events_connection_id_received_at"),
        "stripe_events",
        ["connection_id", "received_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_stripe_events_connection_id_state_received_at"),
        "stripe_events",
        ["connection_id", "state", "received_at"],
        unique=False,
    )


def _create_webhook_secrets() -> None:
    op.create_table(
        "webhook_secrets",
        sa.Column("secret_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("added_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_webhook_secrets_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("secret_id", name=op.f("pk_webhook_secrets")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_webhook_secrets_connection_id"), "webhook_secrets", ["connection_id"], unique=False
    )


def _create_usage_spans() -> None:
    op.create_table(
        "usage_spans",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("root_id", sa.String(length=64), nullable=False),
        sa.Column("meter", sa.String(length=255), nullable=False),
        sa.Column("starts_at", sa.String(length=32), nullable=False),
        sa.Column("ends_at", sa.String(length=32), nullable=True),
        sa.Column("account_id", sa.String(length=18), nullable=False),
        sa.Column("contract_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_usage_spans_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "connection_id", "root_id", "meter", "starts_at", name=op.f("pk_usage_spans")
        ),
    )
    op.create_index(
        op.f("ix_usage_spans_connection_id_account_id"),
        "usage_spans",
        ["connection_id", "account_id"],
        unique=False,
    )


def _create_tries() -> None:
    op.create_table(
        "tries",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=255), nullable=False),
        sa.Column("instants", sa.Text(), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_tries_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "step", name=op.f("pk_tries")),
    )


def _create_rate_buckets() -> None:
    op.create_table(
        "rate_buckets",
        sa.Column("scope", sa.String(length=255), nullable=False),
        sa.Column("micro_tokens", sa.Integer(), nullable=False),
        sa.Column("filled_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_rate_buckets")),
    )


def _create_api_usage() -> None:
    op.create_table(
        "api_usage",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("allowed", sa.Integer(), nullable=False),
        sa.Column("noted_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_api_usage_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_api_usage")),
    )


def _create_pauses() -> None:
    op.create_table(
        "pauses",
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_pauses")),
    )


def _create_parked_runs() -> None:
    op.create_table(
        "parked_runs",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("root_id", sa.String(length=64), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("parked_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_parked_runs_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "root_id", name=op.f("pk_parked_runs")),
    )


def _create_findings() -> None:
    op.create_table(
        "findings",
        sa.Column("finding_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("root_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.String(length=32), nullable=False),
        sa.Column("last_seen_at", sa.String(length=32), nullable=False),
        sa.Column("closed_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_findings_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("finding_id", name=op.f("pk_findings")),
        sa.UniqueConstraint(
            "connection_id",
            "root_id",
            "kind",
            "subject",
            name=op.f("uq_findings_connection_id_root_id_kind_subject"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_findings_connection_id_state"), "findings", ["connection_id", "state"], unique=False
    )


def _create_reconciliations() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.String(length=32), nullable=False),
        sa.Column("finished_at", sa.String(length=32), nullable=True),
        sa.Column("last_place", sa.String(length=255), nullable=False),
        sa.Column("contracts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_reconciliations_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_reconciliations")),
    )
