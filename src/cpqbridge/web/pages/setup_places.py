"""What the steps of a connection's set-up have around them: where one is, and what comes before and after."""

from __future__ import annotations

from urllib.parse import quote

from cpqbridge.store.users import Role
from cpqbridge.sync.going_live import GoingLive
from cpqbridge.web.ask import Ask


def setup_frame(ask: Ask, step: str) -> dict[str, object]:
    """Return the context that the frame of a step needs; the connection exists."""
    name = ask.path["name"]
    standing = GoingLive(ask.service).standing(name)
    return {
        "name": name,
        "step": step,
        "address": f"/connections/{quote(name, safe='')}",
        "standing": standing,
        "zone": standing.time_zone,
        "may_operate": ask.user is not None and ask.user.role.covers(Role.OPERATOR),
        "may_set_up": ask.user is not None and ask.user.role.covers(Role.ADMIN),
    }
