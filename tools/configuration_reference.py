"""Write the policies into docs/reference/configuration.md, in the words that the app shows."""

from __future__ import annotations

from collections.abc import Iterator

from cpqbridge.mapping.policy_words import POLICY_WORDS
from pages import ROOT, cell, write_or_compare

PAGE = "docs/reference/configuration.md"
BEGIN = "<!-- policies: written by `make generate` from the code. Do not edit. -->\n"
END = "<!-- policies end -->\n"


def policies() -> Iterator[str]:
    """Yield a heading, the question and a table of answers for each policy."""
    for words in POLICY_WORDS:
        yield f"### `{words.name}`\n\n{words.question}\n"
        rows = [
            f"| `{option.value}`{' (default)' if option is words.options[0] else ''} "
            f"| {cell(option.label)}. {cell(option.meaning)} | {cell(option.example)} |"
            for option in words.options
        ]
        yield "\n".join(["| value | meaning | example |", "| --- | --- | --- |", *rows]) + "\n"


if __name__ == "__main__":
    before, _, rest = (ROOT / PAGE).read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    write_or_compare(PAGE, "".join([before, BEGIN, *(f"\n{part}" for part in policies()), "\n", END, after]))
