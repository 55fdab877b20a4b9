"""What Salesforce says when somebody cannot sign in, in plain words, with what to do: a closed table.

The same words come as parameters of the callback address and as a JSON object of the token endpoint.
Source: Salesforce help, "OAuth 2.0 Authorization Errors" (read 21 Nov 2026), and the project's design notes,
sections 1.3 to 1.5 (20 Nov 2026).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from cpqbridge.errors import AccessLostError, ConfigurationError, CpqbridgeError, TransientError

CLIENT_ID = "client_id"
CLIENT_SECRET = "client_secret"  # noqa: S105 - the name of a field
SIGN_IN_URL = "salesforce_url"

_LONGEST_QUOTE = 200
_LOOK_AGAIN_SECONDS = 300.0
_RECONNECT = "Then sign in to Salesforce again on the connection's page."
_UNKNOWN = "Begin the sign-in again; if it happens again, report this text."
_GUIDE = "The set-up page lists the steps."
_ASK_ADMIN = (
    "Ask a Salesforce admin to create the External Client App in your own org, or to install and approve "
    f"this one. {_GUIDE}"
)


class Phase(Enum):
    """When the refusal came: while a person signs in, or while a running connection renews its session."""

    SIGN_IN = auto()
    RENEWAL = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What one refusal means; `says` is a part of Salesforce's description, empty for any.

    `fix` is for people who sign in. `field` is the field of the form that is at fault, if any. `passes` tells
    that the same may succeed later without anybody's help.
    """

    error: str
    says: str
    meaning: str
    fix: str
    field: str | None = None
    passes: bool = False

    def fits(self, error: str, description: str) -> bool:
        """Return whether it explains this refusal, both in small letters with underscores."""
        return error == self.error and self.says in description


def _explain(error: str, says: str, meaning: str, fix: str, *, field: str | None = None) -> Explanation:
    return Explanation(error=error, says=says, meaning=meaning, fix=fix, field=field)


def _later(error: str, says: str, meaning: str) -> Explanation:
    fix = "Try again in a few minutes; a running connection does so by itself."
    return Explanation(error=error, says=says, meaning=meaning, fix=fix, passes=True)


EXPLANATIONS: Sequence[Explanation] = (
    _explain(
        "invalid_grant",
        "expired access/refresh token",
        "The sign-in was revoked, replaced by a newer one, or not used for too long",
        f"Look at the refresh token policy of the app in Salesforce. {_RECONNECT}",
    ),
    _explain(
        "invalid_grant",
        "inactive user",
        "The Salesforce user is not active",
        "Activate the user in Setup, or sign in as another one.",
    ),
    _explain(
        "invalid_grant",
        "user locked",
        "The Salesforce user is locked out after too many wrong passwords",
        "Unlock the user in Setup, or wait until the lock-out ends, then sign in again.",
    ),
    _explain(
        "invalid_grant",
        "ip restricted",
        "Salesforce does not let this machine in from its network",
        "Add this machine's public IP address to the login IP ranges of the user's profile, or relax IP "
        "restrictions in the app's policies, then sign in again.",
    ),
    _explain(
        "invalid_grant",
        "expired authorization code",
        "The sign-in took longer than Salesforce waits (15 minutes), or its page was loaded twice",
        "Begin the sign-in again.",
    ),
    _explain(
        "invalid_grant",
        "invalid authorization code",
        "Salesforce does not know the code of this sign-in",
        "Begin the sign-in again.",
    ),
    _explain(
        "invalid_grant",
        "invalid code verifier",
        "The sign-in that came back is not the one that was begun here",
        "Begin the sign-in again and finish it in the same browser.",
    ),
    _explain(
        "invalid_grant",
        "no client credentials user enabled",
        "The app has no user to run as",
        "Set a run-as user in the app's policies, or sign in as a person.",
    ),
    _explain(
        "invalid_grant",
        "request not supported on this domain",
        "This org wants its own address for signing in",
        "Choose My Domain and give the org's own address.",
        field=SIGN_IN_URL,
    ),
    _explain(
        "invalid_grant",
        "user hasn't approved this consumer",
        "This user may not use the app yet",
        "Assign the permission set that the app's policies name to the user, then sign in again.",
    ),
    _explain(
        "invalid_grant",
        "authentication failure",
        "Salesforce could not sign the user in",
        "Look at the user's Login History in Setup for the reason, then sign in again.",
    ),
    _explain(
        "invalid_grant",
        "invalid redirect",
        "The callback address is not the one that the sign-in was begun with",
        "Open cpqbridge under the same address all the time, and begin the sign-in again.",
    ),
    _explain(
        "invalid_app_access",
        "",
        "This user is not approved to use the app",
        "In the app's policies, add a permission set to the pre-authorized ones and assign it to the user, "
        "then sign in again.",
    ),
    _explain(
        "invalid_client_id",
        "",
        "Salesforce does not know this consumer key",
        "Copy the consumer key again. Salesforce may take 10 minutes to know a new app; an org that insists "
        "on its own address is reached by My Domain.",
        field=CLIENT_ID,
    ),
    _explain(
        "invalid_client",
        "app must be installed into org",
        "The app is not installed in this org, so Salesforce blocks it",
        _ASK_ADMIN,
        field=CLIENT_ID,
    ),
    _explain(
        "invalid_client",
        "",
        "Consumer key and consumer secret do not belong together",
        "Copy both again from the app's settings; Salesforce may take 10 minutes to know a new app.",
        field=CLIENT_SECRET,
    ),
    _explain(
        "oauth_approval_error_generic",
        "",
        "Salesforce blocks the app in this org",
        _ASK_ADMIN,
        field=CLIENT_ID,
    ),
    _explain(
        "oauth_app_blocked",
        "",
        "An admin blocked the app in this org",
        "Ask a Salesforce admin to unblock it (Setup, Connected Apps OAuth Usage).",
        field=CLIENT_ID,
    ),
    _explain(
        "redirect_uri_mismatch",
        "",
        "The app does not list the callback address of this page",
        "Copy the callback address from the set-up page into the app's Callback URL, exactly, and wait a few "
        "minutes.",
    ),
    _explain(
        "redirect_uri_missing",
        "",
        "The app lists no callback address",
        "Copy the callback address from the set-up page into the app's Callback URL.",
    ),
    _explain(
        "invalid_scope",
        "",
        "The app does not allow what cpqbridge asks for",
        "Select the scopes api, refresh_token and openid in the app's OAuth settings.",
    ),
    _explain(
        "unsupported_grant_type",
        "",
        "The app does not allow this kind of sign-in",
        f"Allow the Web Server Flow (authorization code) in the app's OAuth settings. {_GUIDE}",
    ),
    _explain(
        "unsupported_response_type",
        "",
        "The app does not allow this kind of sign-in",
        f"Allow the Web Server Flow (authorization code) in the app's OAuth settings. {_GUIDE}",
    ),
    _explain(
        "unauthorized_client",
        "",
        "The app does not allow this kind of sign-in",
        f"Allow the Web Server Flow (authorization code) in the app's OAuth settings. {_GUIDE}",
    ),
    _explain(
        "invalid_request",
        "missing required code challenge",
        "The app wants proof of who began the sign-in, and it was lost on the way",
        "Begin the sign-in again; check that no proxy changes addresses.",
    ),
    _explain(
        "invalid_request",
        "",
        "Salesforce could not read the sign-in",
        "Begin the sign-in again; if it happens again, report this text.",
    ),
    _explain(
        "access_denied",
        "",
        "Access was not allowed on Salesforce's page",
        "Begin the sign-in again and choose Allow, or let somebody do so who may.",
    ),
    _explain(
        "inactive_user",
        "",
        "The Salesforce user is not active",
        "Activate the user in Setup, or sign in as another one.",
    ),
    _explain(
        "inactive_org",
        "",
        "The org is locked, closed or suspended",
        "Ask Salesforce about the org, then sign in again.",
    ),
    _later("server_error", "", "Salesforce had a problem of its own"),
    _later("temporarily_unavailable", "", "Salesforce is busy or under maintenance"),
    _later("rate_limit_exceeded", "", "This user signed in too often within the hour"),
    _later("invalid_grant", "login rate exceeded", "This user signed in too often within the hour"),
)
"""Every refusal that is known. Of several that fit the first with a description counts."""


def explanation_of(error: str, description: str) -> Explanation | None:
    """Return what a refusal means, None for one that is not in the table."""
    code, said = error.lower().replace("-", "_"), " ".join(description.lower().replace("\u2019", "'").split())
    fitting = [each for each in EXPLANATIONS if each.fits(code, said)]
    return next((each for each in fitting if each.says), fitting[0] if fitting else None)


def oauth_error(error: str, description: str, *, phase: Phase) -> CpqbridgeError:
    """Return our error for a refusal, with Salesforce's own words in brackets.

    While a person signs in it is a ConfigurationError that may name the field at fault; in a running
    connection access is lost until somebody reconnects. What passes by itself is a TransientError in both.
    """
    known = explanation_of(error, description)
    said = _quoted(error, description)
    if known is not None and known.passes:
        return TransientError(
            f"{known.meaning} ({said}).",
            code="salesforce_unavailable",
            retry_after_seconds=_LOOK_AGAIN_SECONDS,
            fix=known.fix,
        )
    meaning = known.meaning if known is not None else "Salesforce refused the sign-in for an unknown reason"
    fix = (
        known.fix if known is not None else "Begin the sign-in again; if it happens again, report this text."
    )
    if phase is Phase.RENEWAL:
        return AccessLostError(
            f"Salesforce no longer lets cpqbridge in: {meaning[0].lower()}{meaning[1:]} ({said}).",
            code="salesforce_access_lost",
            fix=fix if fix.endswith(_RECONNECT) else f"{fix} {_RECONNECT}",
        )
    return ConfigurationError(
        f"{meaning} ({said}).",
        code="salesforce_sign_in",
        field=known.field if known is not None else None,
        fix=fix,
    )


def _quoted(error: str, description: str) -> str:
    text = " ".join(f"{error}: {description}".split()).strip(" :")
    printable = "".join(each for each in text if each.isprintable())
    return printable if len(printable) <= _LONGEST_QUOTE else f"{printable[: _LONGEST_QUOTE - 1]}…"
