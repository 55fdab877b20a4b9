"""`make bench`: planning and rehearsal speed as a table. `ARGS=--strict` fails when a figure is missed."""

import sys

import planning
import rehearsing


def main() -> None:
    """Measure and print; end with 1 in strict mode when planning is slower than wanted."""
    measured = planning.rows()
    rows = [("what", "measured", "at most"), *[row[:3] for row in measured], *rehearsing.rows()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    if "--strict" in sys.argv[1:] and not all(met for *_, met in measured):
        sys.exit(1)


if __name__ == "__main__":
    main()
