"""A home of an earlier release: orders that needed somebody then have a cause at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

import cpqbridge.store
from cpqbridge.store import inbox
from cpqbridge.store.database import DATABASE_FILE, open_store
from cpqbridge.store.engine import WRITE_OPTION, open_engine, sqlite_url

ORDER = (
    "INSERT INTO order_states (connection_id, order_id, order_number, root_id, contract_key, state, code, "
    "message, fix, record_id, field, retryable, modified_at, updated_at) VALUES "
    "(1, '801', '1', 'a0q', '800', 'refused', 'no_email', 'None.', 'Add one.', '801', '', 0, '', "
    "'2026-01-28T15:04:05.000000+00:00')"
)
CONNECTION = (
    "INSERT INTO connections (name, org_id, org_name, time_zone, multi_currency, salesforce_url, "
    "salesforce_token, stripe_account_id, stripe_account_name, stripe_key, live_mode, simulated, created_at, "
    "checked_at) VALUES ('one', '00D', 'Org', 'UTC', 0, 'https://a.my.salesforce.com', '', 'acct_1', 'A', '', "
    "0, 0, '2026-01-28T15:04:05.000000+00:00', '2026-01-28T15:04:05.000000+00:00')"
)


def test_orders_of_an_earlier_release_are_grouped_by_their_code(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path / DATABASE_FILE), synchronous="OFF")
    config = Config()
    config.set_main_option("script_location", str(Path(cpqbridge.store.__file__).parent / "migrations"))
    with engine.execution_options(**{WRITE_OPTION: True}).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.exec_driver_sql(CONNECTION)
        connection.exec_driver_sql(ORDER)
    engine.dispose()
    store = open_store(tmp_path, synchronous="OFF")
    with store.read() as transaction:
        (group,) = inbox.groups(transaction)
    store.close()
    assert (group.cause, group.code, group.orders) == ("no_email", "no_email", 1)
