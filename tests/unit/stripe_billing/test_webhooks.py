"""What is believed to be an event of Stripe: signed with a secret of the endpoint, just now."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from cpqbridge.stripe_billing.webhooks import SIGNATURE_CHARACTERS, event_of, is_signed

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
BODY = b'{"id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1}'
SECRET = "whsec_new"


def signed(secret: str = SECRET, *, at: datetime = NOW, body: bytes = BODY) -> str:
    stamp = f"{int(at.timestamp())}"
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def header(*signatures: str, at: datetime = NOW) -> str:
    return ",".join([f"t={int(at.timestamp())}", *(f"v1={each}" for each in signatures)])


@pytest.mark.parametrize(
    ("age_seconds", "believed"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)]
)
def test_a_stamp_when_five_minutes_off_either_way_is_the_last_that_counts(age_seconds, believed) -> None:
    at = NOW - timedelta(seconds=age_seconds)
    assert is_signed(BODY, header(signed(at=at), at=at), secrets=[SECRET], now=NOW) is believed


def test_what_we_believe_when_compared_with_stripes_own_library_is_the_same() -> None:
    """The library reads the machine's clock and lets the future pass; all else must agree."""
    now = datetime.now(UTC)
    good = header(signed(at=now), at=now)
    for given in (good, good.replace("v1=", "v0="), good + ",v1=x", good[:-1], "", "t=,v1="):
        try:
            stripe.WebhookSignature.verify_header(BODY.decode(), given, SECRET, tolerance=300)
            theirs = True
        except stripe.SignatureVerificationError:
            theirs = False
        assert is_signed(BODY, given, secrets=[SECRET], now=now) is theirs, given


def test_several_signatures_and_several_secrets_when_one_pair_fits_are_believed() -> None:
    rolled = header(signed("whsec_old"), signed("whsec_new"))
    for secrets in (["whsec_old"], ["whsec_new"], ["whsec_other", "whsec_old"]):
        assert is_signed(BODY, rolled, secrets=secrets, now=NOW)
    assert not is_signed(BODY, rolled, secrets=["whsec_other"], now=NOW)
    assert not is_signed(BODY, rolled, secrets=[], now=NOW)


@pytest.mark.parametrize(
    "given",
    [
        "",
        ",",
        "t",
        "=",
        "t=1",
        f"v1={signed()}",
        header(),
        header(""),
        header(signed()).replace("v1", "v0"),
        header(signed()).replace("v1", "V1"),
        header(signed().upper()),
        header(signed()[:-1]),
        header(signed("whsec_other")),
        header(signed()).replace("t=", "t=+"),
        header(signed()).replace("t=", "t=-"),
        header(signed()).replace("t=", "t=1e9,x="),
        header(signed()).replace("t=", "t=²"),
        f"t={'9' * 400},v1={signed()}",
        f"t={int(NOW.timestamp())},{header(signed())}",
        header(signed()) + ",v1=é\udcff",
        header(*["0" * 64] * 40, signed()),
        "x" * 100_000,
    ],
)
def test_a_header_when_it_is_not_stripes_is_not_believed(given: str) -> None:
    is_only_decorated = given.startswith(header(signed()))
    assert is_signed(BODY, given, secrets=[SECRET], now=NOW) is is_only_decorated


def test_a_header_when_it_is_as_long_as_allowed_is_read() -> None:
    padded = header(signed()) + ",x=" + "0" * SIGNATURE_CHARACTERS
    assert is_signed(BODY, padded[:SIGNATURE_CHARACTERS], secrets=[SECRET], now=NOW)
    assert not is_signed(BODY, padded[: SIGNATURE_CHARACTERS + 1], secrets=[SECRET], now=NOW)


def test_a_body_when_changed_by_one_byte_is_not_the_signed_one() -> None:
    for place in range(len(BODY)):
        changed = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
        assert not is_signed(changed, header(signed()), secrets=[SECRET], now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"no json",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps({"object": "event", "type": "a", "created": 1}).encode(),
        json.dumps({"object": "event", "id": "", "type": "a", "created": 1}).encode(),
        json.dumps({"object": "event", "id": "evt_1", "type": 3, "created": 1}).encode(),
        json.dumps({"object": "event", "id": "evt_1", "type": "a", "created": "1"}).encode(),
        json.dumps({"object": "event", "id": "evt_1", "type": "a", "created": True}).encode(),
        json.dumps({"object": "v2.core.event", "id": "evt_1", "type": "a", "created": "2026"}).encode(),
    ],
)
def test_a_body_when_it_is_no_event_is_none(body: bytes) -> None:
    assert event_of(body) is None


def test_a_body_when_it_is_an_event_is_read() -> None:
    assert event_of(BODY) == json.loads(BODY)
