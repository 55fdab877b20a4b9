"""What a step needs of other steps: the links whose ids take the place of its references."""

from __future__ import annotations

from collections.abc import Mapping

from cpqbridge.domain.billing import Link, Ref, Step
from cpqbridge.errors import InvariantError


def filled_in(value: object, known: Mapping[str, Link]) -> object:
    """Return `value` with the Stripe id in the place of every `Ref`.

    Raises:
        InvariantError: a `Ref` names a link that does not exist; the plan's steps are out of order.
    """
    if isinstance(value, Ref):
        link = known.get(value.key)
        if link is None:
            raise InvariantError(
                f"The plan needs {value.key} before it is made.",
                code="plan_order",
                fix="This is a mistake of cpqbridge; report this text.",
            )
        return link.stripe_id
    if isinstance(value, Mapping):
        return {name: filled_in(inner, known) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled_in(inner, known) for inner in value]
    return value


def refs_of(step: Step) -> frozenset[str]:
    """Return the keys of the links a step needs."""
    return frozenset(_refs((step.parameters, step.target)))


def _refs(value: object) -> list[str]:
    if isinstance(value, Ref):
        return [value.key]
    if isinstance(value, Mapping):
        return [key for inner in value.values() for key in _refs(inner)]
    if isinstance(value, (list, tuple)):
        return [key for inner in value for key in _refs(inner)]
    return []
