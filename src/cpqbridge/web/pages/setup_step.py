"""What the last steps of a set-up show: the frame, how the connection stands, and what the person may do."""

from __future__ import annotations

from urllib.parse import quote

from cpqbridge.store.users import Role
from cpqbridge.sync.going_live import GoingLive
from cpqbridge.sync.setup_progress import Step
from cpqbridge.web.ask import Ask
from cpqbridge.web.set_up_frame import setup_frame


def step_context(ask: Ask, step: Step) -> dict[str, object]:
    """Return what every such step shows; the connection exists."""
    name = ask.path["name"]
    standing = GoingLive(ask.service).standing(name)
    return {
        "name": name,
        "frame": setup_frame(ask, step),
        "address": f"/connections/{quote(name, safe='')}",
        "standing": standing,
        "zone": standing.time_zone,
        "may_operate": ask.user is not None and ask.user.role.covers(Role.OPERATOR),
        "may_set_up": ask.user is not None and ask.user.role.covers(Role.ADMIN),
    }
