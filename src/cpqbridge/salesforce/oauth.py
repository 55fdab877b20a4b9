"""Signing in to an org: the web server flow with PKCE, renewing a session, giving one back.

Secrets and tokens go to Salesforce's sign-in address only; nothing here is logged, and no redirect is
followed. Source: Salesforce help, "OAuth 2.0 Web Server Flow" and "OAuth 2.0 Refresh Token Flow", as restated
in the project's design notes, section 1.4 (20 Nov 2026).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import httpx2

from cpqbridge.domain.addresses import is_loopback_url
from cpqbridge.domain.ids import is_salesforce_id, salesforce_id
from cpqbridge.errors import AccessLostError, ConfigurationError, CpqbridgeError, TransientError
from cpqbridge.salesforce.address import answered_address, sign_in_address
from cpqbridge.salesforce.oauth_errors import CLIENT_ID, CLIENT_SECRET, Phase, oauth_error
from cpqbridge.salesforce.public_hosts import PublicHostsOnly

SCOPES = "api refresh_token openid"
_VERIFIER_BYTES = 64
_TIMEOUT_SECONDS = 30.0
_CONNECT_TIMEOUT_SECONDS = 10.0
_LONGEST_KEY = 255
_IDENTITY = re.compile(r"/id/(00D[0-9A-Za-z]{12,15})/(005[0-9A-Za-z]{12,15})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientApp:
    """The External Client App of an org, and where its users sign in (an origin)."""

    sign_in_url: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a sign-in or a renewal gave; `refresh_token` is None where the one that was used goes on.

    Attributes:
        access_token: Opens the org until the session ends.
        refresh_token: Renews the session, None in a renewal without rotation.
        instance_url: The origin of the org's API, checked; it may differ from the last one.
        org_id: The org's id, 18 characters.
        user_id: Whose session it is, 18 characters.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    instance_url: str
    org_id: str
    user_id: str


def new_verifier() -> str:
    """Return a fresh code verifier (86 characters; RFC 7636 allows 43 to 128)."""
    return secrets.token_urlsafe(_VERIFIER_BYTES)


def checked_app(*, sign_in_url: str, client_id: str, client_secret: str) -> ClientApp:
    """Return the app after checking what a person typed.

    Raises:
        ConfigurationError: The address is not Salesforce's, or key or secret cannot be one; names the field.
    """
    for name, value, what in (
        (CLIENT_ID, client_id, "consumer key"),
        (CLIENT_SECRET, client_secret, "consumer secret"),
    ):
        if not value or len(value) > _LONGEST_KEY or not value.isascii() or not value.isprintable():
            raise ConfigurationError(
                f"The {what} is empty, too long, or has characters that no {what} has.",
                code="salesforce_app",
                field=name,
                fix=f"Copy the {what} again from the app's settings, in one line.",
            )
    return ClientApp(
        sign_in_url=sign_in_address(sign_in_url), client_id=client_id, client_secret=client_secret
    )


def authorize_url(app: ClientApp, *, redirect_url: str, state: str, verifier: str) -> str:
    """Return the address at which a person signs in and allows the app; it holds no secret."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    parameters = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": redirect_url,
        "scope": SCOPES,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "prompt": "login consent",
    }
    return f"{app.sign_in_url}/services/oauth2/authorize?{urlencode(parameters)}"


class OAuthClient:
    """Talks to the sign-in address of one app; close it, or use it as a context manager."""

    def __init__(self, app: ClientApp, *, transport: httpx2.BaseTransport | None = None) -> None:
        """Keep the app; nothing is sent yet. `transport` stands in for the network in tests."""
        self._app = app
        self._http = httpx2.Client(
            base_url=sign_in_address(app.sign_in_url),
            headers={"Accept": "application/json"},
            timeout=httpx2.Timeout(_TIMEOUT_SECONDS, connect=_CONNECT_TIMEOUT_SECONDS),
            follow_redirects=False,
            trust_env=not is_loopback_url(app.sign_in_url),
            transport=transport,
            event_hooks={"request": [PublicHostsOnly()]} if transport is None else None,
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._http.close()

    def exchange(self, code: str, *, redirect_url: str, verifier: str) -> SignedIn:
        """Return the session for the code of a callback; a code is good once, for 15 minutes.

        Raises:
            ConfigurationError: Salesforce refused, or its answer is not to be trusted.
            TransientError: Salesforce did not answer, or is busy.
        """
        answer = self._token(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_url,
                "code_verifier": verifier,
            },
            phase=Phase.SIGN_IN,
        )
        signed_in = self._signed_in(answer, phase=Phase.SIGN_IN)
        if signed_in.refresh_token is None:
            raise _distrusted(
                "it has no refresh token, so the session could not be renewed", phase=Phase.SIGN_IN
            )
        return signed_in

    def renew(self, refresh_token: str) -> SignedIn:
        """Return a new session.

        Under rotation the refresh token that was used is dead afterwards: store the new one before anything
        else is done with the session.

        Raises:
            AccessLostError: Salesforce refused, or its answer is not to be trusted.
            TransientError: Salesforce did not answer, or is busy; when the answer was lost under rotation,
                the next try says that access is lost.
        """
        answer = self._token(
            {"grant_type": "refresh_token", "refresh_token": refresh_token}, phase=Phase.RENEWAL
        )
        return self._signed_in(answer, phase=Phase.RENEWAL)

    def revoke(self, token: str) -> bool:
        """Give a token back; a refresh token takes its sessions along. Return whether Salesforce knew it.

        Raises:
            TransientError: Salesforce did not answer.
        """
        response = self._post("/services/oauth2/revoke", {"token": token})
        return response.status_code == HTTPStatus.OK

    def _token(self, parameters: Mapping[str, str], *, phase: Phase) -> Mapping[str, Any]:
        given = {
            **parameters,
            "client_id": self._app.client_id,
            "client_secret": self._app.client_secret,
        }
        response = self._post("/services/oauth2/token", given)
        body = _json_object(response)
        if response.is_success:
            return body
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or not body.get("error"):
            raise oauth_error("server_error", f"HTTP status {response.status_code}", phase=phase)
        raise oauth_error(str(body["error"]), str(body.get("error_description", "")), phase=phase)

    def _post(self, path: str, parameters: Mapping[str, str]) -> httpx2.Response:
        try:
            return self._http.post(path, data=dict(parameters))
        except httpx2.RequestError as error:
            host = urlsplit(self._app.sign_in_url).netloc
            raise TransientError(
                f"Salesforce at {host} cannot be reached ({type(error).__name__}).",
                code="salesforce_unreachable",
                fix="Check the address and the network, then try again; a worker does so by itself.",
            ) from error

    def _signed_in(self, answer: Mapping[str, Any], *, phase: Phase) -> SignedIn:
        kind = answer.get("token_type")
        if kind != "Bearer":
            raise _distrusted(
                f"it is of the kind {kind!r}, which cpqbridge does not know; switch DPoP off for the app",
                phase=phase,
            )
        identity = str(answer.get("id", ""))
        if not self._is_signed(answer):
            raise _distrusted("its signature was not made with the app's consumer secret", phase=phase)
        found = _IDENTITY.search(identity)
        token = answer.get("access_token")
        if (
            found is None
            or not all(map(is_salesforce_id, found.groups()))
            or not isinstance(token, str)
            or not token
        ):
            raise _distrusted("it does not say whose session it is", phase=phase)
        renewing = answer.get("refresh_token")
        try:
            instance_url = answered_address(answer.get("instance_url"), sign_in=self._app.sign_in_url)
        except ConfigurationError as error:
            raise _distrusted(f"it leads elsewhere: {error.message}", phase=phase) from error
        return SignedIn(
            access_token=token,
            refresh_token=renewing if isinstance(renewing, str) and renewing else None,
            instance_url=instance_url,
            org_id=salesforce_id(found[1]),
            user_id=salesforce_id(found[2]),
        )

    def _is_signed(self, answer: Mapping[str, Any]) -> bool:
        """Return whether the answer's id and time are signed with the secret that we share."""
        text = f"{answer.get('id', '')}{answer.get('issued_at', '')}"
        made = hmac.new(self._app.client_secret.encode(), text.encode(), hashlib.sha256).digest()
        given = str(answer.get("signature", ""))
        return hmac.compare_digest(base64.b64encode(made), given.encode())


def _json_object(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        body = json.loads(response.text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, Mapping) else {}


def _distrusted(why: str, *, phase: Phase) -> CpqbridgeError:
    text = f"Salesforce answered the sign-in, but {why}."
    if phase is Phase.RENEWAL:
        return AccessLostError(
            text, code="salesforce_access_lost", fix="Sign in to Salesforce again on the connection's page."
        )
    return ConfigurationError(
        text,
        code="salesforce_sign_in",
        fix="Check the app's OAuth settings against the steps of the set-up page, and that no proxy changes "
        "answers, then sign in again.",
    )
