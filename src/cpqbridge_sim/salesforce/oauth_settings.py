"""How the simulated org's sign-in behaves: its apps, its policies, and what it refuses.

Source: Salesforce help, "OAuth 2.0 Web Server Flow", "OAuth 2.0 Refresh Token Flow" and "OAuth 2.0
Authorization Errors" (read 21 Nov 2026), as restated in the project's design notes, sections 1.3 to 1.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_ID = "3MVG9.simulated.org.consumer.key"
CLIENT_SECRET = "SIMULATED0CONSUMER0SECRET"  # noqa: S105 - the simulated org's own
_REFUSING = ("authorize", "code", "renewal")


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An External Client App. `redirect_uris` None takes every https address and those of this machine."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...] | None = None


@dataclass(slots=True, kw_only=True)
class OAuthSettings:
    """The switches of the sign-in.

    Attributes:
        apps: The apps by client id.
        installed: Whether the app is installed in the org; a blocked one sends people back with an error.
        approved: Whether the user is pre-authorised to use the app.
        ip_restricted: Whether the token endpoint turns this network away.
        rotation: Whether each renewal gives a new refresh token, and ends the old one and its session.
        requires_pkce: Whether a sign-in without a code challenge is refused.
        token_type: What answers say; orgs may demand DPoP.
        forged: Whether answers are signed with another secret than the app's.
        instance_url: What answers say; None is the address that was asked.
        refuse: Error and description by stage (`authorize`, `code`, `renewal`) that come in place of any
            answer.
    """

    apps: dict[str, App] = field(
        default_factory=lambda: {CLIENT_ID: App(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)}
    )
    installed: bool = True
    approved: bool = True
    ip_restricted: bool = False
    rotation: bool = False
    requires_pkce: bool = True
    token_type: str = "Bearer"  # noqa: S105 - a kind of token
    forged: bool = False
    instance_url: str | None = None
    refuse: dict[str, tuple[str, str]] = field(default_factory=dict)

    def take(self, document: Mapping[str, Any]) -> None:
        """Change the switches that a document names; nothing is changed when one cannot be used.

        Raises:
            ValueError: A switch is unknown, or has a value it cannot have.
        """
        read = {name: _read(name, value) for name, value in document.items()}
        for name, value in read.items():
            setattr(self, name, value)


def _read(name: str, value: Any) -> Any:
    if name in {"installed", "approved", "ip_restricted", "rotation", "requires_pkce", "forged"}:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is true or false.")
        return value
    if name == "token_type" and isinstance(value, str):
        return value
    if name == "instance_url" and (value is None or isinstance(value, str)):
        return value
    if name == "apps" and isinstance(value, list):
        return {app.client_id: app for app in map(_app, value)}
    if name == "refuse" and isinstance(value, dict):
        return {stage: _refusal(stage, said) for stage, said in value.items()}
    raise ValueError(f"{name} is no switch of the sign-in, or cannot have this value.")


def _app(value: Any) -> App:
    if not isinstance(value, dict) or not {"client_id", "client_secret"} <= value.keys():
        raise ValueError("An app has client_id, client_secret and, if it matters, redirect_uris.")
    addresses = value.get("redirect_uris")
    return App(
        client_id=str(value["client_id"]),
        client_secret=str(value["client_secret"]),
        redirect_uris=None if addresses is None else tuple(str(each) for each in addresses),
    )


def _refusal(stage: str, said: Any) -> tuple[str, str]:
    if stage not in _REFUSING or not isinstance(said, list) or not said or len(said) > 2:  # noqa: PLR2004 - a pair
        raise ValueError(f"refuse has an error and its description by one of {', '.join(_REFUSING)}.")
    return str(said[0]), str(said[1]) if len(said) > 1 else ""
