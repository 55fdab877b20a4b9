"""A command run with its time shared out: `python benchmarks/sampling.py SHARES.json COMMAND…`.

A timer looks every few milliseconds where the main thread is, and gives the time since the last look to the
part that the innermost known function on its stack belongs to. The simulators run in threads of their own, so
their time counts where the command waits for them.
"""

import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Self

from cpqbridge.cli.main import main

EVERY_SECONDS = 0.004
REST = "start and the rest"
CLOCK = "clock"
PARTS = (
    ("cpqbridge/mapping/write_back.py", "write-back"),
    ("cpqbridge/salesforce/writer.py", "write-back"),
    ("cpqbridge/sync/write_back_step.py", "write-back"),
    ("cpqbridge/salesforce/", "reading"),
    ("cpqbridge/mapping/", "reading"),
    ("cpqbridge/planning/", "planning"),
    ("cpqbridge/stripe_billing/", "Stripe calls"),
    ("cpqbridge/store/", "store"),
    ("/dbos/", "workflow engine"),
    ("cpqbridge/sync/report", "report"),
)
"""By a piece of the file's path; the first that fits counts."""


class Sampler:
    """Watches the main thread from the start to the end of a block; `seconds` are those of each part."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._known: dict[tuple[str, str], str | None] = {}
        self._last = time.perf_counter()

    def __enter__(self) -> Self:
        # A second thread would see little but the moments at which this one lets go of the interpreter.
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, EVERY_SECONDS, EVERY_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _look(self, _number: int, frame: FrameType | None) -> None:
        now = time.perf_counter()
        self.seconds[self._part(frame)] += now - self._last
        self._last = now

    def _part(self, frame: FrameType | None) -> str:
        while frame is not None:
            place = frame.f_code.co_filename, frame.f_code.co_name
            if place not in self._known:
                self._known[place] = _part_of(*place)
            part = self._known[place]
            if part is not None:
                return part
            frame = frame.f_back
        return REST


def _part_of(path: str, function: str) -> str | None:
    path = path.replace("\\", "/")
    if function == "set_clock" and "/cpqbridge/" in path:
        return CLOCK
    return next((part for piece, part in PARTS if piece in path), None)


if __name__ == "__main__":
    with Sampler() as sampler:
        code = main(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(sampler.seconds))
    sys.exit(code)
