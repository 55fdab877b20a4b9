"""A command run with its time shared out: `python benchmarks/sampling.py SHARES.json COMMAND…`.

A second thread looks every few milliseconds where the command's thread is, and gives the time since the last
look to the part that the innermost known function on its stack belongs to. The simulators run in threads of
their own, so their time counts where the command waits for them.
"""

import json
import sys
import threading
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
    """Watches the main thread from the start to the end of a block."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._known: dict[tuple[str, str], str | None] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        main_id = threading.main_thread().ident or 0
        last = time.perf_counter()
        while not self._over.wait(EVERY_SECONDS):
            part = self._part(sys._current_frames().get(main_id))  # noqa: SLF001 - the documented way
            now = time.perf_counter()
            self.seconds[part] += now - last
            last = now

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
