"""A progress bar on standard error, only where a person is watching."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Progress:
    """Counts steps of long work; use it as a context manager."""

    def __init__(self, total: int) -> None:
        """Expect `total` steps."""
        self._total = total
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Show the bar when standard error is a terminal."""
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415
            from rich.progress import Progress as RichProgress  # noqa: PLC0415

            self._bar = RichProgress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("Starting", total=self._total)
        return self

    def step(self, text: str) -> None:
        """Show what is being done and count one step."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text, advance=1)

    def count(self, done: int, total: int, text: str) -> None:
        """Show how far work has come whose size is only known once it has begun."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text, completed=done, total=total)

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away whatever happened."""
        self.finish()
