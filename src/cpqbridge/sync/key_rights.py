"""Whether a Stripe key may do what cpqbridge needs, and nothing more: asked before it is kept, and later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cpqbridge.domain.calls import CallWatch
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.stripe_billing.rights import NEEDED, KeyRight, Right, RightState, needless_rights, rights_of

__all__ = ["NEEDED", "KeyRight", "KeyRights", "Right", "RightState", "key_rights", "rights_with"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRights:
    """What was found about a key: whose account it opens, in which mode, and what it may do there.

    `needless` are rights that it has and nothing asks for; a secret key, which is not `restricted`, has all.
    """

    account_id: str
    account_name: str
    live: bool
    restricted: bool
    rights: tuple[KeyRight, ...]
    needless: tuple[Right, ...]

    @property
    def missing(self) -> tuple[KeyRight, ...]:
        """Return the rights without which orders fail; those that only some need are not among them."""
        return tuple(
            each for each in self.rights if each.state is RightState.MISSING and not each.right.only_if
        )

    @property
    def unproven(self) -> tuple[KeyRight, ...]:
        """Return the rights of which the answer proved neither that the key has nor that it lacks them."""
        return tuple(each for each in self.rights if each.state is RightState.UNKNOWN)

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON values, without anything of the key."""
        return {
            "account_id": self.account_id,
            "account_name": self.account_name,
            "mode": "live" if self.live else "test",
            "restricted": self.restricted,
            "rights": [
                {
                    "name": each.right.name,
                    "access": each.right.access.value,
                    "used_for": each.right.used_for,
                    "only_if": each.right.only_if or None,
                    "state": each.state.value,
                    "permission": each.permission or None,
                    "told": each.told or None,
                }
                for each in self.rights
            ],
            "needless": [f"{right.name}: {right.access.value}" for right in self.needless],
        }


def key_rights(
    stripe_key: str, *, stripe_api_base: str | None = None, watch: CallWatch | None = None
) -> KeyRights:
    """Return what a key may do. About fifteen requests, none of which reads or writes an object.

    Args:
        stripe_key: a secret or restricted key; it is kept nowhere.
        stripe_api_base: None for Stripe itself, else an address of this machine.
        watch: is told of every request.

    Raises:
        ConfigurationError: it is no key.
        AccessLostError: Stripe does not accept it.
        TransientError: Stripe does not answer.
    """
    with StripeBilling(stripe_key, api_base=stripe_api_base, watch=watch) as client:
        return rights_with(client)


def rights_with(client: StripeBilling) -> KeyRights:
    """Return what the key of a client may do; as `key_rights`."""
    account = client.account()
    return KeyRights(
        account_id=account.account_id,
        account_name=account.display_name,
        live=client.livemode,
        restricted=client.restricted,
        rights=rights_of(client),
        needless=tuple(needless_rights(client)),
    )
