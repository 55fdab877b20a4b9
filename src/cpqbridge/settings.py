"""The only reader of the environment: everything a machine sets for `cpqbridge`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cpqbridge.clock import Clock, SettableClock, SystemClock, parse_instant
from cpqbridge.domain.addresses import is_loopback_url
from cpqbridge.errors import ConfigurationError

_PREFIX = "CPQBRIDGE_"


class LogLevel(StrEnum):
    """How much goes to the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How `serve` and `worker` write to standard error."""

    TEXT = "text"
    JSON = "json"


class Settings(BaseSettings):
    """What the environment says.

    Attributes:
        home: Folder of the database, the key file and the log (`CPQBRIDGE_HOME`).
        secret_key: Key that encrypts secrets at rest, instead of the key file (`CPQBRIDGE_SECRET_KEY`).
        now: Instant at which simulated connections stand (`CPQBRIDGE_NOW`), aware UTC, or None.
        database_url: Database to use instead of the embedded one (`CPQBRIDGE_DATABASE_URL`).
        stripe_webhook_secret: Signing secrets of the endpoints that Stripe sends events to, separated by
            commas or spaces (`CPQBRIDGE_STRIPE_WEBHOOK_SECRET`), beside those that the connections have.
        public_url: Address under which people reach the pages where it is not http://127.0.0.1 and the port
            (`CPQBRIDGE_PUBLIC_URL`), like https://cpqbridge.example.com; without a trailing slash.
        simulated_salesforce: Address of a simulated org on this machine that may be connected in the browser
            (`CPQBRIDGE_SIMULATED_SALESFORCE`), for development; empty otherwise.
        simulated_stripe: The same of a simulated Stripe account (`CPQBRIDGE_SIMULATED_STRIPE`).
        log_level: Least important entry that is logged (`CPQBRIDGE_LOG_LEVEL`).
        log_format: What `serve` and `worker` write to standard error (`CPQBRIDGE_LOG_FORMAT`): warnings as
            text, or every entry as a line of JSON, for containers.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("cpqbridge")))
    secret_key: SecretStr | None = None
    now: datetime | None = None
    database_url: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    public_url: str = ""
    simulated_salesforce: str = ""
    simulated_stripe: str = ""
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT

    @field_validator("now", mode="before")
    @classmethod
    def _read_now(cls, value: object) -> object:
        return parse_instant(value, name=f"{_PREFIX}NOW") if isinstance(value, str) else value

    @field_validator("simulated_salesforce", "simulated_stripe")
    @classmethod
    def _read_simulated(cls, value: str) -> str:
        if value and not is_loopback_url(value):
            raise ValueError("it is not like http://127.0.0.1:9101, on this machine")
        return value.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def _read_public_url(cls, value: str) -> str:
        if not value:
            return ""
        parts = urlsplit(value)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
        if not is_address or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("it is no address like https://cpqbridge.example.com")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("home")
    @classmethod
    def _expand_home(cls, value: Path) -> Path:
        return value.expanduser()

    def webhook_secrets(self) -> tuple[str, ...]:
        """Return the signing secrets, in the order they were given."""
        given = self.stripe_webhook_secret
        return () if given is None else tuple(given.get_secret_value().replace(",", " ").split())

    def clock(self) -> Clock:
        """Return a clock that stands at `now`, or the machine's clock when `now` is not set."""
        return SettableClock(self.now) if self.now else SystemClock()


def load_settings(**overrides: Any) -> Settings:
    """Return the settings of this process; `overrides` win over the environment.

    Raises:
        ConfigurationError: A variable of the environment has a value that cannot be used.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = _PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationError(
            f"The environment variable {name} cannot be used: {first['msg']}.",
            code="settings_value",
            field=name,
            fix=f"Correct {name} or remove it to use the default.",
        ) from None
