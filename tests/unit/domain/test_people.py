"""What a role may do."""

import pytest

from cpqbridge.domain.people import Role


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, {Role.VIEWER}),
        (Role.OPERATOR, {Role.VIEWER, Role.OPERATOR}),
        (Role.ADMIN, {Role.VIEWER, Role.OPERATOR, Role.ADMIN}),
    ],
)
def test_role_covers_those_before_it_and_itself(role, may):
    assert {needed for needed in Role if role.covers(needed)} == may
