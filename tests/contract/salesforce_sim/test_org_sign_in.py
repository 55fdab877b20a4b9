"""The simulated org's sign-in over HTTP: what its documentation says, and each of its switches."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.contract.salesforce_sim.simulated_org import error_of

from cpqbridge_sim.salesforce.oauth_settings import CLIENT_ID, CLIENT_SECRET
from cpqbridge_sim.salesforce.org import USER_ID

CALLBACK = "http://127.0.0.1:8080/salesforce/callback"
VERIFIER = "v" * 60
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": CALLBACK,
    "scope": "api refresh_token openid",
    "state": "state-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "prompt": "login consent",
}
APP = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


@pytest.fixture
def guest(org, serve):
    """A client without a token, on an org that takes only the tokens that it gave out."""
    org.tokens = frozenset()
    return serve(org, token="")


def allowed(guest, decision="allow", **changed):
    """What the callback address is given after somebody decided."""
    page = guest.get("/services/oauth2/authorize", params=ASKED | changed)
    if page.status_code == 200:
        key = re.search(r'name="request" value="([^"]+)"', page.text)[1]
        page = guest.call("POST", "/services/oauth2/authorize", data={"request": key, "decision": decision})
    assert page.status_code == 302, page.text
    where = urlsplit(page.headers["location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == changed.get("redirect_uri", CALLBACK)
    return {name: values[0] for name, values in parse_qs(where.query).items()}


def token(guest, **given):
    return guest.call("POST", "/services/oauth2/token", data=APP | given)


def exchanged(guest, code=None, **changed):
    given = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return token(guest, code=code or allowed(guest)["code"], **(given | changed))


def renewed(guest, refresh_token):
    return token(guest, grant_type="refresh_token", refresh_token=refresh_token)


def opens(guest, access_token):
    answer = guest.get("limits", headers={"Authorization": f"Bearer {access_token}"})
    return answer.status_code == 200 or error_of(answer)


def test_a_sign_in_gives_a_session_that_opens_the_org(org, guest):
    assert opens(guest, "any") == (401, "INVALID_SESSION_ID")
    back = allowed(guest)
    assert back["state"] == "state-1"
    answer = exchanged(guest, back["code"])
    assert answer.status_code == 200
    given = answer.json()
    assert given["token_type"] == "Bearer"
    assert given["instance_url"] == str(guest.http.base_url).rstrip("/")
    assert given["id"].endswith(f"/id/{org.organization_id}/{USER_ID}")
    signed = hmac.new(
        CLIENT_SECRET.encode(), (given["id"] + given["issued_at"]).encode(), hashlib.sha256
    ).digest()
    assert base64.b64decode(given["signature"]) == signed
    assert opens(guest, given["access_token"]) is True
    who = guest.get(
        "/services/oauth2/userinfo", headers={"Authorization": f"Bearer {given['access_token']}"}
    ).json()
    assert who["organization_id"] == org.organization_id


def test_a_code_is_good_once_and_for_fifteen_minutes(org, guest):
    code = allowed(guest)["code"]
    assert exchanged(guest, code).status_code == 200
    again = exchanged(guest, code)
    assert (again.status_code, again.json()["error_description"]) == (400, "expired authorization code")
    late = allowed(guest)["code"]
    org.set_clock(org.now + timedelta(minutes=15, seconds=1))
    assert exchanged(guest, late).json() == {
        "error": "invalid_grant",
        "error_description": "expired authorization code",
    }


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "w" * 60}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": f"{CALLBACK}/"}, "redirect_uri_mismatch"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "unknown"}, "invalid_client_id"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_an_exchange_that_does_not_fit_is_refused(guest, changed, error):
    code = allowed(guest)["code"]
    answer = exchanged(guest, **({"code": code} | changed))
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_what_is_wrong_with_the_app_is_shown_and_sent_nowhere(guest):
    guest.call(
        "POST", "/_sim/oauth", json={"apps": [{**APP, "redirect_uris": ["https://a.example/callback"]}]}
    )
    for changed in ({"client_id": "unknown"}, {}, {"redirect_uri": "https://a.example/callback/"}):
        page = guest.get("/services/oauth2/authorize", params=ASKED | changed)
        assert page.status_code == 400
        assert "location" not in page.headers
    assert "code" in allowed(guest, redirect_uri="https://a.example/callback")


@pytest.mark.parametrize(
    ("switches", "changed", "error", "said"),
    [
        ({}, {"code_challenge": ""}, "invalid_request", "missing required code challenge"),
        ({}, {"scope": "api everything"}, "invalid_scope", "the requested scope is not allowed"),
        ({}, {"response_type": "token"}, "unsupported_response_type", "response type not supported"),
        ({}, {"decision": "deny"}, "access_denied", "end-user denied authorization"),
        ({"installed": False}, {}, "invalid_client", "app must be installed into org"),
        (
            {"approved": False},
            {},
            "invalid_app_access",
            "user is not admin approved to access this app",
        ),
        ({"refuse": {"authorize": ["OAUTH_APP_BLOCKED"]}}, {}, "OAUTH_APP_BLOCKED", None),
    ],
)
def test_a_refused_sign_in_comes_back_with_the_reason(guest, switches, changed, error, said):
    assert guest.call("POST", "/_sim/oauth", json=switches or {"approved": True}).status_code == 200
    back = allowed(guest, **changed)
    assert (back["error"], back.get("error_description"), back["state"]) == (error, said, "state-1")


def test_a_session_ends_two_hours_after_its_last_use_and_is_renewed(org, guest):
    first = exchanged(guest).json()
    for _ in range(2):
        org.set_clock(org.now + timedelta(hours=2))
        assert opens(guest, first["access_token"]) is True
    org.set_clock(org.now + timedelta(hours=2, seconds=1))
    assert opens(guest, first["access_token"]) == (401, "INVALID_SESSION_ID")
    second = renewed(guest, first["refresh_token"]).json()
    assert "refresh_token" not in second
    assert opens(guest, second["access_token"]) is True
    assert renewed(guest, first["refresh_token"]).status_code == 200


def test_rotation_ends_the_old_refresh_token_and_its_session(guest):
    guest.call("POST", "/_sim/oauth", json={"rotation": True})
    first = exchanged(guest).json()
    second = renewed(guest, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert opens(guest, first["access_token"]) == (401, "INVALID_SESSION_ID")
    assert opens(guest, second["access_token"]) is True
    assert renewed(guest, first["refresh_token"]).json() == {
        "error": "invalid_grant",
        "error_description": "expired access/refresh token",
    }


def test_a_query_locator_ends_with_the_session_that_made_it(org, guest):
    org.load({"Account": [{"Id": f"001Qy0000000{number:03}", "Name": "x"} for number in range(300)]})
    first = exchanged(guest).json()
    headers = {"Authorization": f"Bearer {first['access_token']}", "Sforce-Query-Options": "batchSize=200"}
    page = guest.query("SELECT Id FROM Account", headers=headers).json()
    second = renewed(guest, first["refresh_token"]).json()
    other = guest.get(page["nextRecordsUrl"], headers={"Authorization": f"Bearer {second['access_token']}"})
    assert error_of(other) == (400, "INVALID_QUERY_LOCATOR")


def test_a_sixth_refresh_token_ends_the_oldest(guest):
    given = [exchanged(guest).json()["refresh_token"] for _ in range(6)]
    assert renewed(guest, given[0]).status_code == 400
    assert renewed(guest, given[1]).status_code == 200


def test_a_revoked_refresh_token_takes_its_session_along(guest):
    given = exchanged(guest).json()
    asked = {**APP, "token": given["access_token"], "token_type_hint": "access_token"}
    assert guest.call("POST", "/services/oauth2/introspect", data=asked).json()["active"] is True
    answer = guest.call("POST", "/services/oauth2/revoke", data={"token": given["refresh_token"]})
    assert (answer.status_code, answer.content) == (200, b"")
    assert opens(guest, given["access_token"]) == (401, "INVALID_SESSION_ID")
    assert guest.call("POST", "/services/oauth2/introspect", data=asked).json() == {"active": False}
    again = guest.call("POST", "/services/oauth2/revoke", data={"token": given["refresh_token"]})
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")


def test_all_sessions_and_all_tokens_can_be_ended(guest):
    given = exchanged(guest).json()
    guest.call("POST", "/_sim/oauth", json={"end": "sessions"})
    assert opens(guest, given["access_token"]) == (401, "INVALID_SESSION_ID")
    assert renewed(guest, given["refresh_token"]).status_code == 200
    guest.call("POST", "/_sim/oauth", json={"end": "tokens"})
    assert renewed(guest, given["refresh_token"]).status_code == 400


def test_a_network_and_a_kind_of_token_can_be_refused(guest):
    guest.call("POST", "/_sim/oauth", json={"token_type": "DPoP", "forged": True})
    given = exchanged(guest).json()
    assert given["token_type"] == "DPoP"
    guest.call("POST", "/_sim/oauth", json={"ip_restricted": True})
    assert exchanged(guest).json()["error_description"] == "ip restricted"


@pytest.mark.parametrize(
    "body",
    [
        {"rotation": 1},
        {"nothing": True},
        {"apps": [{"client_id": "x"}]},
        {"refuse": {"never": ["x"]}},
        {"end": "all"},
        [],
    ],
)
def test_a_switch_that_cannot_be_is_refused(guest, body):
    assert error_of(guest.call("POST", "/_sim/oauth", json=body)) == (400, "INVALID_SETTING")
