"""The app: users and sessions, set-up, versions of configurations, holds, dry runs, alerts, activity."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Add what the app needs to the schema."""
    op.add_column("audit", sa.Column("actor", sa.String(length=80), server_default="", nullable=False))
    op.add_column("audit", sa.Column("before", sa.Text(), nullable=True))
    op.add_column("audit", sa.Column("after", sa.Text(), nullable=True))
    op.create_index(op.f("ix_audit_actor_at"), "audit", ["actor", "at"], unique=False)
    op.create_index(
        op.f("ix_audit_connection_id_subject"), "audit", ["connection_id", "subject"], unique=False
    )
    _extend_order_states()
    _add_causes()
    _add_to_reconciliation()
    _create_users()
    _create_setups()
    _create_alert_channels()
    _create_sign_in_failures()
    _create_alerts()
    _create_alert_messages()
    _create_call_hours()
    _create_configuration_versions()
    _create_dry_runs()
    _create_health_checks()
    _create_one_time_links()
    _create_order_holds()
    _create_run_hours()
    _create_salesforce_logins()
    _create_sessions()
    _create_oauth_requests()


def _add_causes() -> None:
    """Group orders that need somebody; known ones by their code until the next try."""
    op.add_column("order_states", sa.Column("cause", sa.String(length=80), server_default="", nullable=False))
    op.execute("UPDATE order_states SET cause = code WHERE code <> ''")
    op.create_index(
        op.f("ix_order_states_connection_id_cause_state"),
        "order_states",
        ["connection_id", "cause", "state"],
        unique=False,
    )


def _add_to_reconciliation() -> None:
    """Say who accepted a finding, how far a reconciliation is, why it stopped, and who asked for one."""
    op.add_column(
        "findings", sa.Column("accepted_by", sa.String(length=80), server_default="", nullable=False)
    )
    op.add_column("findings", sa.Column("accepted_at", sa.String(length=32), nullable=True))
    op.add_column("reconciliations", sa.Column("total", sa.Integer(), server_default="0", nullable=False))
    op.add_column("reconciliations", sa.Column("problem", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "reconciliation_requests",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("requested_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_reconciliation_requests_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_reconciliation_requests")),
    )


def downgrade() -> None:
    """Refuse: going back means restoring a backup made before the upgrade."""
    raise NotImplementedError("restore a backup instead")


def _extend_order_states() -> None:
    """Add what lists show of an order, and tell it from the plan that each order was last part of."""
    text = sa.String(length=255)
    op.add_column("order_states", sa.Column("account_name", text, server_default="", nullable=False))
    op.add_column(
        "order_states", sa.Column("currency", sa.String(length=3), server_default="", nullable=False)
    )
    op.add_column("order_states", sa.Column("sold_minor", sa.BigInteger(), nullable=True))
    op.add_column("order_states", sa.Column("billed_minor", sa.BigInteger(), nullable=True))
    op.add_column(
        "order_states", sa.Column("is_mismatch", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    filtered = ["connection_id", "state"]
    for name, columns in (
        ("by_number", ["order_number", "order_id", *filtered, "account_name"]),
        ("by_change", ["updated_at", "order_id", *filtered, "order_number", "account_name"]),
        ("by_account", ["account_name", "order_id", *filtered, "order_number"]),
        ("by_state", ["state", "order_number", "order_id", "connection_id", "account_name"]),
        ("state_code", ["state", "code"]),
        ("order_id", ["order_id"]),
        ("contract_key", ["contract_key"]),
        ("root_id", ["root_id"]),
    ):
        op.create_index(op.f(f"ix_order_states_{name}"), "order_states", columns, unique=False)
    op.execute(_FILL_ACCOUNTS)
    op.execute(_FILL_AMOUNTS)


_FILL_ACCOUNTS = """
UPDATE order_states SET account_name = COALESCE(
    (SELECT substr(json_extract(plans.document, '$.account_name'), 1, 255)
       FROM plans WHERE plans.plan_id = order_states.plan_id), '')
WHERE plan_id IS NOT NULL
"""
_FILL_AMOUNTS = """
UPDATE order_states SET (currency, sold_minor, billed_minor, is_mismatch) = (
    SELECT COALESCE(max(json_extract(proof.value, '$.currency')), ''),
           sum(CASE WHEN abs(json_extract(proof.value, '$.sold_minor')) < 1000000000000000
               THEN json_extract(proof.value, '$.sold_minor') END),
           sum(CASE WHEN abs(json_extract(proof.value, '$.billed_minor')) < 1000000000000000
               THEN json_extract(proof.value, '$.billed_minor') END),
           COALESCE(max(json_extract(proof.value, '$.reason') IS 'proof_mismatch'), 0)
      FROM plans, json_each(plans.document, '$.proof.value') AS proof
     WHERE plans.plan_id = order_states.plan_id
       AND json_extract(proof.value, '$.order_id') = order_states.order_id)
WHERE plan_id IS NOT NULL
"""


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("name_key", sa.String(length=255), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("password_changed_at", sa.String(length=32), nullable=True),
        sa.Column("signed_in_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("name_key", name=op.f("uq_users_name_key")),
        sqlite_autoincrement=True,
    )


def _create_setups() -> None:
    op.create_table(
        "setups",
        sa.Column("setup_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("secrets", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("updated_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_setups_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("setup_id", name=op.f("pk_setups")),
        sa.UniqueConstraint("name", name=op.f("uq_setups_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_setups_connection_id"), "setups", ["connection_id"], unique=False)


def _create_alert_channels() -> None:
    op.create_table(
        "alert_channels",
        sa.Column("channel_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("last_sent_at", sa.String(length=32), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_alert_channels")),
        sqlite_autoincrement=True,
    )


def _create_sign_in_failures() -> None:
    op.create_table(
        "sign_in_failures",
        sa.Column("scope", sa.String(length=120), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=False),
        sa.Column("blocked_until", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_sign_in_failures")),
    )


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("fix", sa.Text(), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.String(length=32), nullable=False),
        sa.Column("told_at", sa.String(length=32), nullable=False),
        sa.Column("reminded_at", sa.String(length=32), nullable=False),
        sa.Column("ended_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_alerts_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_alerts_connection_id_ended_at"), "alerts", ["connection_id", "ended_at"], unique=False
    )


def _create_alert_messages() -> None:
    op.create_table(
        "alert_messages",
        sa.Column("message_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("next_at", sa.String(length=32), nullable=False),
        sa.Column("sent_at", sa.String(length=32), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_alert_messages_connection_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.alert_id"], name=op.f("fk_alert_messages_alert_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["alert_channels.channel_id"],
            name=op.f("fk_alert_messages_channel_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_alert_messages")),
        sqlite_autoincrement=True,
    )
    for columns in (["state", "next_at"], ["channel_id", "message_id"], ["alert_id"], ["connection_id"]):
        name = op.f("ix_alert_messages_" + "_".join(columns))
        op.create_index(name, "alert_messages", columns, unique=False)


def _create_call_hours() -> None:
    op.create_table(
        "call_hours",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("hour_at", sa.String(length=32), nullable=False),
        sa.Column("side", sa.String(length=16), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_call_hours_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "hour_at", "side", name=op.f("pk_call_hours")),
    )


def _create_configuration_versions() -> None:
    op.create_table(
        "configuration_versions",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_configuration_versions_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "version", name=op.f("pk_configuration_versions")),
    )
    # What is in force when versions begin is the first of them.
    op.execute(
        "INSERT INTO configuration_versions (connection_id, version, document, actor, reason, created_at) "
        "SELECT connection_id, 1, document, '', 'It was in force before versions were kept.', updated_at "
        "FROM configurations"
    )


def _create_dry_runs() -> None:
    op.create_table(
        "dry_runs",
        sa.Column("dry_run_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("started_at", sa.String(length=32), nullable=False),
        sa.Column("finished_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_dry_runs_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dry_run_id", name=op.f("pk_dry_runs")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_dry_runs_connection_id_started_at"),
        "dry_runs",
        ["connection_id", "started_at"],
        unique=False,
    )


def _create_health_checks() -> None:
    op.create_table(
        "health_checks",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("checked_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_health_checks_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_health_checks")),
    )


def _create_one_time_links() -> None:
    op.create_table(
        "one_time_links",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_one_time_links_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_one_time_links")),
    )


def _create_order_holds() -> None:
    op.create_table(
        "order_holds",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("root_id", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.String(length=18), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("held_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_order_holds_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "root_id", name=op.f("pk_order_holds")),
    )


def _create_run_hours() -> None:
    op.create_table(
        "run_hours",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("hour_at", sa.String(length=32), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("seconds_by_bucket", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_run_hours_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "hour_at", "result", name=op.f("pk_run_hours")),
    )


def _create_salesforce_logins() -> None:
    op.create_table(
        "salesforce_logins",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("login_url", sa.String(length=512), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("client_secret", sa.Text(), nullable=False),
        sa.Column("refresh_token", sa.Text(), nullable=False),
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("refreshed_at", sa.String(length=32), nullable=False),
        sa.Column("claimed_until", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name=op.f("fk_salesforce_logins_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_salesforce_logins")),
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("seen_at", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)


def _create_oauth_requests() -> None:
    op.create_table(
        "oauth_requests",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("setup_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("redirect_url", sa.String(length=512), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["setup_id"], ["setups.setup_id"], name=op.f("fk_oauth_requests_setup_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_oauth_requests_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_oauth_requests")),
    )
