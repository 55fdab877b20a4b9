"""The OAuth client against a transport that plays Salesforce's token endpoint, and the table of refusals."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from cpqbridge.domain.ids import salesforce_id
from cpqbridge.errors import AccessLostError, ConfigurationError, CpqbridgeError, TransientError
from cpqbridge.salesforce.oauth import (
    ClientApp,
    OAuthClient,
    authorize_url,
    checked_app,
    new_verifier,
)
from cpqbridge.salesforce.oauth_errors import EXPLANATIONS, Explanation, Phase, explanation_of, oauth_error

SECRET = "canary-consumer-secret"
APP = ClientApp(sign_in_url="https://login.salesforce.com", client_id="3MVG9.key", client_secret=SECRET)
REDIRECT = "https://bridge.acme.example/salesforce/callback"
ORG, USER = salesforce_id("00DSm000000CpqB"), salesforce_id("005Sm000000User")


def an_answer(**changed: object) -> dict[str, object]:
    identity, issued_at = f"https://login.salesforce.com/id/{ORG}/{USER}", "1779264000000"
    made = hmac.new(SECRET.encode(), f"{identity}{issued_at}".encode(), hashlib.sha256).digest()
    whole: dict[str, object] = {
        "access_token": "00D!AQ.token",
        "refresh_token": "5Aep.token",
        "signature": base64.b64encode(made).decode(),
        "scope": "refresh_token api openid",
        "instance_url": "https://acme.my.salesforce.com",
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }
    return {name: value for name, value in (whole | changed).items() if value is not None}


def client(answer: Callable[[httpx2.Request], httpx2.Response]) -> OAuthClient:
    return OAuthClient(APP, transport=httpx2.MockTransport(answer))


def exchange(body: object, status: int = 200) -> object:
    text = body if isinstance(body, str) else json.dumps(body)
    with client(lambda _: httpx2.Response(status, text=text)) as opened:
        return opened.exchange("a-code", redirect_url=REDIRECT, verifier="v" * 50)


def caught_of(body: object, status: int = 200) -> CpqbridgeError:
    with pytest.raises(CpqbridgeError) as caught:
        exchange(body, status)
    assert SECRET not in str(caught.value)
    assert "00D!AQ.token" not in str(caught.value)
    return caught.value


def test_the_address_to_sign_in_at_proves_who_begins_and_holds_no_secret() -> None:
    verifier = new_verifier()
    assert 43 <= len(verifier) <= 128
    address = authorize_url(APP, redirect_url=REDIRECT, state="st", verifier=verifier)
    parts = urlsplit(address)
    given = {name: values[0] for name, values in parse_qs(parts.query).items()}
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert (parts.netloc, parts.path) == ("login.salesforce.com", "/services/oauth2/authorize")
    assert given == {
        "response_type": "code",
        "client_id": "3MVG9.key",
        "redirect_uri": REDIRECT,
        "scope": "api refresh_token openid",
        "state": "st",
        "code_challenge": digest,
        "code_challenge_method": "S256",
        "prompt": "login consent",
    }
    assert SECRET not in address
    assert verifier not in address


def test_a_code_is_exchanged_for_a_session() -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json=an_answer())

    with client(answer) as opened:
        signed_in = opened.exchange("a-code", redirect_url=REDIRECT, verifier="v" * 50)
    assert str(asked[0].url) == "https://login.salesforce.com/services/oauth2/token"
    assert {name: values[0] for name, values in parse_qs(asked[0].content.decode()).items()} == {
        "grant_type": "authorization_code",
        "code": "a-code",
        "redirect_uri": REDIRECT,
        "code_verifier": "v" * 50,
        "client_id": "3MVG9.key",
        "client_secret": SECRET,
    }
    assert (signed_in.org_id, signed_in.user_id) == (ORG, USER)
    assert signed_in.instance_url == "https://acme.my.salesforce.com"
    assert "token" not in repr(signed_in).replace("access_token", "").replace("refresh_token", "")
    assert SECRET not in repr(APP)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"token_type": "DPoP"}, "DPoP"),
        ({"token_type": None}, "kind"),
        ({"signature": base64.b64encode(b"x" * 32).decode()}, "signature"),
        ({"signature": None}, "signature"),
        ({"issued_at": "1779264000001"}, "signature"),
        ({"access_token": None}, "whose session"),
        ({"refresh_token": None}, "refresh token"),
        ({"instance_url": "https://evil.example"}, "leads elsewhere"),
        ({"instance_url": "http://127.0.0.1:9200"}, "leads elsewhere"),
        ({"instance_url": "https://169.254.169.254"}, "leads elsewhere"),
        ({"instance_url": None}, "leads elsewhere"),
    ],
)
def test_an_answer_that_is_not_to_be_trusted_is_refused(changed: dict[str, object], says: str) -> None:
    error = caught_of(an_answer(**changed))
    assert isinstance(error, ConfigurationError)
    assert (error.code, says in error.message) == ("salesforce_sign_in", True)


def test_an_identity_of_nobody_is_refused() -> None:
    identity = "https://login.salesforce.com/id/nobody"
    made = hmac.new(SECRET.encode(), f"{identity}1".encode(), hashlib.sha256).digest()
    signed = {"id": identity, "issued_at": "1", "signature": base64.b64encode(made).decode()}
    assert "whose session" in caught_of(an_answer(**signed)).message


@pytest.mark.parametrize(("body", "status"), [("<html>", 503), ("<html>", 200), ("[]", 400), ("{}", 401)])
def test_an_answer_that_says_nothing_is_tried_again_or_refused(body: str, status: int) -> None:
    expected = ConfigurationError if status == 200 else TransientError
    assert isinstance(caught_of(body, status), expected)


def test_a_lost_answer_is_transient_and_tells_no_secret() -> None:
    def lose(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("gone", request=request)

    with client(lose) as opened, pytest.raises(TransientError) as caught:
        opened.renew("5Aep.old")
    assert "5Aep" not in str(caught.value)


def test_a_redirect_is_not_followed() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url.host == "login.salesforce.com"
        return httpx2.Response(302, headers={"Location": "https://evil.example/"})

    with client(answer) as opened, pytest.raises(TransientError):
        opened.renew("5Aep.old")


def test_a_renewal_without_rotation_keeps_the_refresh_token() -> None:
    with client(lambda _: httpx2.Response(200, json=an_answer(refresh_token=None))) as opened:
        assert opened.renew("5Aep.old").refresh_token is None


def test_a_refused_renewal_loses_access_and_says_why() -> None:
    body = {"error": "invalid_grant", "error_description": "expired access/refresh token"}
    with (
        client(lambda _: httpx2.Response(400, json=body)) as opened,
        pytest.raises(AccessLostError) as caught,
    ):
        opened.renew("5Aep.old")
    assert caught.value.code == "salesforce_access_lost"
    assert "revoked, replaced" in caught.value.message
    assert "sign in to Salesforce again" in caught.value.fix


@pytest.mark.parametrize(("status", "known"), [(200, True), (400, False)])
def test_a_token_is_given_back(status: int, known: bool) -> None:
    with client(lambda _: httpx2.Response(status, json={})) as opened:
        assert opened.revoke("5Aep.old") is known


@pytest.mark.parametrize("field", ["client_id", "client_secret"])
@pytest.mark.parametrize("value", ["", "x" * 300, "two\nlines", "ü"])
def test_a_key_that_cannot_be_one_is_refused_at_its_field(field: str, value: str) -> None:
    typed = {"client_id": "a", "client_secret": "b"} | {field: value}
    with pytest.raises(ConfigurationError) as caught:
        checked_app(sign_in_url="https://login.salesforce.com", **typed)
    assert caught.value.field == field
    assert value == "" or value not in str(caught.value)


@pytest.mark.parametrize("known", EXPLANATIONS, ids=lambda known: f"{known.error}-{known.says}")
@pytest.mark.parametrize("phase", Phase)
def test_every_refusal_says_what_it_means_and_what_to_do(known: Explanation, phase: Phase) -> None:
    assert explanation_of(known.error, known.says or "whatever it says") is known
    error = oauth_error(known.error, known.says or "whatever it says", phase=phase)
    meaning = known.meaning[0].lower() + known.meaning[1:]
    assert meaning in error.message[0].lower() + error.message[1:] or meaning in error.message
    assert known.error in error.message
    assert error.fix.startswith(known.fix)
    assert known.fix.endswith(".")
    kinds = {Phase.SIGN_IN: ConfigurationError, Phase.RENEWAL: AccessLostError}
    assert type(error) is (TransientError if known.passes else kinds[phase])
    if phase is Phase.SIGN_IN and not known.passes:
        assert error.field == known.field


def test_what_only_looks_like_a_known_refusal_is_told_as_it_came() -> None:
    error = oauth_error("invalid_grant", "something new\r\n\x00 <b>", phase=Phase.SIGN_IN)
    assert "unknown reason (invalid_grant: something new  <b>)" in error.message
    assert len(oauth_error("x", "y" * 5000, phase=Phase.RENEWAL).message) < 400


def test_spellings_of_the_documentation_are_known() -> None:
    assert explanation_of("access-denied", "") is explanation_of("access_denied", "end-user denied")
    assert explanation_of("OAUTH_APP_BLOCKED", "this app is blocked by admin") is not None
    assert explanation_of("invalid_grant", "user hasn\u2019t approved this consumer") is not None
