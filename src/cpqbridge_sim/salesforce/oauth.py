"""`/services/oauth2` of a simulated org: the web server flow with PKCE, renewal, revocation, introspection.

Source: Salesforce help, "OAuth 2.0 Web Server Flow", "OAuth 2.0 Refresh Token Flow", "Revoke OAuth Tokens"
and "OAuth 2.0 Authorization Errors" (read 21 Nov 2026), as restated in the project's design notes, sections
1.3 to 1.5. Other flows are not served.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from cpqbridge_sim.salesforce.errors import not_found
from cpqbridge_sim.salesforce.exchange import Answer
from cpqbridge_sim.salesforce.oauth_page import error_page, sign_in_page
from cpqbridge_sim.salesforce.oauth_settings import App, OAuthSettings
from cpqbridge_sim.salesforce.oauth_tokens import Request, Tokens
from cpqbridge_sim.salesforce.org import USER_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cpqbridge_sim.salesforce.org import Org

ROOT = ("services", "oauth2")
USERNAME = "connector@simulated.example"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SCOPES = frozenset({"api", "refresh_token", "offline_access", "openid", "id", "profile", "web", "full"})
_DENIED = ("access_denied", "end-user denied authorization")
_NOT_INSTALLED = ("invalid_client", "app must be installed into org")
_NOT_APPROVED = ("invalid_app_access", "user is not admin approved to access this app")
_WRONG_KEY = ("invalid_client_id", "client identifier invalid")
_WRONG_SECRET = ("invalid_client", "invalid client credentials")
_EXPIRED = ("invalid_grant", "expired access/refresh token")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthCall:
    """One request; `names` are the parts of the path after `/services/oauth2`, `given` its parameters."""

    method: str
    names: tuple[str, ...]
    given: Mapping[str, str]
    host: str


class _RefusedError(Exception):
    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.body = {"error": error, "error_description": description}


class OAuthDesk:
    """Signs people in and gives tokens out.

    Attributes:
        settings: Its switches.
        tokens: What it gave out.
    """

    def __init__(self, org: Org) -> None:
        self._org = org
        self.settings = OAuthSettings()
        self.tokens = Tokens(org)

    def answer(self, call: OAuthCall) -> Answer:
        """Answer one request.

        Raises:
            ApiError: There is no such address.
        """
        try:
            match (call.method, call.names):
                case ("GET", ("authorize",)):
                    return self._asked(call)
                case ("POST", ("authorize",)):
                    return self._decided(call)
                case ("POST", ("token",)):
                    return Answer(body=self._token(call))
                case ("POST" | "GET", ("revoke",)):
                    return self._revoked(call.given.get("token", ""))
                case ("POST", ("introspect",)):
                    return Answer(body=self._introspected(call))
        except _RefusedError as refused:
            return Answer(status=400, body=refused.body)
        raise not_found()

    # The browser's part.

    def _asked(self, call: OAuthCall) -> Answer:
        given = call.given
        app = self.settings.apps.get(given.get("client_id", ""))
        # What concerns the app or its addresses is shown, never sent to an address that nobody vouches for.
        if app is None:
            return error_page(*_WRONG_KEY)
        redirect_uri = given.get("redirect_uri", "")
        if not _is_allowed(app, redirect_uri):
            return error_page("redirect_uri_mismatch", "redirect_uri must match configuration")
        request = Request(
            client_id=app.client_id,
            redirect_uri=redirect_uri,
            state=given.get("state"),
            scope=given.get("scope", "api"),
            challenge=given.get("code_challenge"),
        )
        wrong = self._wrong(given, request)
        if wrong is not None:
            return _sent_back(request, wrong)
        return sign_in_page(
            org_name=self._org_name(),
            username=USERNAME,
            key=self.tokens.asked(request),
            scopes=request.scope.split(),
            redirect_origin="{0.scheme}://{0.netloc}".format(urlsplit(redirect_uri)),
        )

    def _wrong(self, given: Mapping[str, str], request: Request) -> tuple[str, str] | None:
        if "authorize" in self.settings.refuse:
            return self.settings.refuse["authorize"]
        if given.get("response_type") != "code":
            return "unsupported_response_type", "response type not supported"
        if not set(request.scope.split()) <= _SCOPES:
            return "invalid_scope", "the requested scope is not allowed"
        if self.settings.requires_pkce and not request.challenge:
            return "invalid_request", "missing required code challenge"
        if request.challenge and given.get("code_challenge_method") != "S256":
            return "invalid_request", "invalid code challenge method"
        return None

    def _decided(self, call: OAuthCall) -> Answer:
        request = self.tokens.requests.pop(call.given.get("request", ""), None)
        if request is None:
            return error_page("invalid_request", "this sign-in was answered already")
        if call.given.get("decision") != "allow":
            return _sent_back(request, _DENIED)
        if not self.settings.installed:
            return _sent_back(request, _NOT_INSTALLED)
        if not self.settings.approved:
            return _sent_back(request, _NOT_APPROVED)
        return _redirect(request, {"code": self.tokens.code_for(request)})

    # The app's part.

    def _token(self, call: OAuthCall) -> dict[str, Any]:
        given = call.given
        app = self.settings.apps.get(given.get("client_id", ""))
        if app is None:
            raise _RefusedError(*_WRONG_KEY)
        if not hmac.compare_digest(app.client_secret, given.get("client_secret", "")):
            raise _RefusedError(*_WRONG_SECRET)
        if self.settings.ip_restricted:
            raise _RefusedError("invalid_grant", "ip restricted")
        match given.get("grant_type"):
            case "authorization_code":
                return self._exchanged(app, call)
            case "refresh_token":
                return self._renewed(app, call)
        raise _RefusedError("unsupported_grant_type", "grant type not supported")

    def _exchanged(self, app: App, call: OAuthCall) -> dict[str, Any]:
        given = call.given
        code = self.tokens.used(given.get("code", ""))
        if "code" in self.settings.refuse:
            raise _RefusedError(*self.settings.refuse["code"])
        if code is None or code.request.client_id != app.client_id:
            raise _RefusedError("invalid_grant", "invalid authorization code")
        if not self.tokens.is_good(code):
            raise _RefusedError("invalid_grant", "expired authorization code")
        if given.get("redirect_uri") != code.request.redirect_uri:
            raise _RefusedError("redirect_uri_mismatch", "redirect_uri must match configuration")
        if code.request.challenge and not _proves(given.get("code_verifier", ""), code.request.challenge):
            raise _RefusedError("invalid_grant", "invalid code verifier")
        scope = code.request.scope
        token = self.tokens.begin(client_id=app.client_id, scope=scope)
        answer = self._session(app, token, scope, call.host)
        if {"refresh_token", "offline_access"} & set(scope.split()):
            answer["refresh_token"] = self.tokens.renewable(token, client_id=app.client_id, scope=scope)
        return answer

    def _renewed(self, app: App, call: OAuthCall) -> dict[str, Any]:
        name = call.given.get("refresh_token", "")
        found = self.tokens.refresh_tokens.get(name)
        if "renewal" in self.settings.refuse:
            raise _RefusedError(*self.settings.refuse["renewal"])
        if found is None or found.ended or found.client_id != app.client_id:
            raise _RefusedError(*_EXPIRED)
        token = self.tokens.begin(client_id=app.client_id, scope=found.scope)
        answer = self._session(app, token, found.scope, call.host)
        if self.settings.rotation:
            self.tokens.revoke(name)
            answer["refresh_token"] = self.tokens.renewable(token, client_id=app.client_id, scope=found.scope)
        return answer

    def _session(self, app: App, token: str, scope: str, host: str) -> dict[str, Any]:
        identity = f"https://login.salesforce.com/id/{self._org.organization_id}/{USER_ID}"
        issued_at = str(int(self._org.now.timestamp() * 1000))
        secret = f"not {app.client_secret}" if self.settings.forged else app.client_secret
        signature = hmac.new(secret.encode(), f"{identity}{issued_at}".encode(), hashlib.sha256)
        return {
            "access_token": token,
            "signature": base64.b64encode(signature.digest()).decode(),
            "scope": scope,
            "instance_url": self.settings.instance_url or f"http://{host}",
            "id": identity,
            "token_type": self.settings.token_type,
            "issued_at": issued_at,
        }

    def _revoked(self, token: str) -> Answer:
        if not self.tokens.revoke(token):
            raise _RefusedError("invalid_token", "the token is invalid")
        return Answer()

    def _introspected(self, call: OAuthCall) -> dict[str, Any]:
        app = self.settings.apps.get(call.given.get("client_id", ""))
        if app is None or app.client_secret != call.given.get("client_secret"):
            raise _RefusedError(*_WRONG_SECRET)
        token = call.given.get("token", "")
        session = self.tokens.sessions.get(token)
        if session is None or session.ended:
            return {"active": False}
        began = int(session.began_at.timestamp())
        return {
            "active": True,
            "scope": session.scope,
            "client_id": session.client_id,
            "username": USERNAME,
            "sub": f"https://login.salesforce.com/id/{self._org.organization_id}/{USER_ID}",
            "token_type": "access_token",
            "exp": began + 7200,
            "iat": began,
            "nbf": began,
        }

    def _org_name(self) -> str:
        return str(next(iter(self._org.records("Organization")))["Name"])


def _is_allowed(app: App, redirect_uri: str) -> bool:
    if app.redirect_uris is not None:
        return redirect_uri in app.redirect_uris
    parts = urlsplit(redirect_uri)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _proves(verifier: str, challenge: str) -> bool:
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(digest, challenge)


def _sent_back(request: Request, wrong: tuple[str, str]) -> Answer:
    return _redirect(request, {"error": wrong[0], "error_description": wrong[1]})


def _redirect(request: Request, parameters: dict[str, str]) -> Answer:
    if request.state is not None:
        parameters["state"] = request.state
    joint = "&" if "?" in request.redirect_uri else "?"
    return Answer(status=302, headers={"Location": f"{request.redirect_uri}{joint}{urlencode(parameters)}"})
