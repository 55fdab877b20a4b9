"""What the mapper shows of one Stripe object: its parameters with their rules, values and mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cpqbridge.domain.refusal import Refusal
from cpqbridge.errors import CpqbridgeError
from cpqbridge.mapping.parameter_words import METADATA_WORDS, OBJECT_WORDS, ObjectWords, ParameterWords
from cpqbridge.mapping.rules import MappedValue, resolve
from cpqbridge.mapping.targets import METADATA, TARGETS, Kind, Target, target
from cpqbridge.sync.configure import Configured
from cpqbridge.sync.mapping_check import RuleProblem
from cpqbridge.sync.mapping_draft import Draft, DraftRule, draft_of
from cpqbridge.sync.mapping_trial import SentObject, Trial

_NO_METADATA_KEY = Target(Kind.TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRow:
    """One parameter of the sheet.

    Attributes:
        parameter: Its dot path.
        meaning: What it is, in a sentence.
        holds: What it takes, in words.
        choices: The words it takes, where it takes no others.
        required: Whether an order without it is refused.
        default: What fills it without a rule; empty where nothing does.
        rule: The rule as it is edited.
        problem: What is wrong with the rule, or with the order's value; empty when nothing is.
        fix: What to do about the problem.
        read: What Salesforce has at the rule's path, or at that of the default; None without a trial.
        sent: What Stripe would be sent; None without a trial, or where it is sent nothing.
    """

    parameter: str
    meaning: str
    holds: str
    choices: tuple[str, ...]
    required: bool
    default: str
    rule: DraftRule
    problem: str = ""
    fix: str = ""
    read: object = None
    sent: object = None

    @property
    def is_metadata(self) -> bool:
        """Return whether it is a metadata key, which can be removed."""
        return self.parameter.startswith(METADATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSheet:
    """Everything the mapper shows of one Stripe object.

    Attributes:
        configured: The connection, its configuration in force, and the version a save is based on.
        stripe_object: The object's name in the configuration.
        words: The object in words.
        rows: Its parameters, metadata keys last.
        trial: What the chosen order makes of the draft; None without an order, or where the draft is wrong.
        refusals: Why the order would not be synced, without what stands at a row.
        sample: Which of the order's objects stands beside the rows, from 0.
        is_changed: Whether the draft differs from what is in force.
        unchecked: Why Salesforce could not be asked, so that fields are not checked; None when it was.
    """

    configured: Configured
    stripe_object: str
    words: ObjectWords
    rows: tuple[MappingRow, ...]
    trial: Trial | None
    refusals: tuple[Refusal, ...]
    sample: int
    is_changed: bool
    unchecked: CpqbridgeError | None

    @property
    def problems(self) -> int:
        """Return how many rows have a problem."""
        return sum(1 for row in self.rows if row.problem)

    @property
    def objects(self) -> tuple[SentObject, ...]:
        """Return the objects of this kind that the chosen order makes."""
        return self.trial.objects[self.stripe_object] if self.trial else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedRules:
    """A draft of one Stripe object, what can be read of it, what is wrong with it or stopped the check."""

    draft: Draft
    rules: Mapping[str, MappedValue]
    problems: Sequence[RuleProblem]
    unchecked: CpqbridgeError | None = None


def mapping_sheet(
    configured: Configured, stripe_object: str, edited: EditedRules, *, trial: Trial | None, sample: int
) -> MappingSheet:
    """Return the sheet of a Stripe object with its draft."""
    in_force = draft_of(configured.configuration.mapping.of(stripe_object))
    count = len(trial.objects[stripe_object]) if trial else 0
    sample = max(0, min(sample, count - 1))
    builder = _Rows(stripe_object, edited, trial, sample)
    rows = tuple(builder.rows())
    return MappingSheet(
        configured=configured,
        stripe_object=stripe_object,
        words=OBJECT_WORDS[stripe_object],
        rows=rows,
        trial=trial,
        refusals=tuple(each for each in (trial.refusals if trial else ()) if each not in builder.placed),
        sample=sample,
        is_changed=draft_of(edited.rules) != in_force or bool(edited.problems),
        unchecked=edited.unchecked,
    )


def target_of(stripe_object: str, parameter: str) -> Target:
    """Return what a parameter takes; one that cannot be, as a wrong metadata key, counts as a text."""
    try:
        return target(stripe_object, parameter) or _NO_METADATA_KEY
    except ValueError:
        return _NO_METADATA_KEY


def holds_words(wanted: Target) -> str:
    """Return what a parameter takes, for people."""
    if wanted.kind is Kind.CHOICE:
        return " or ".join(wanted.choices)
    if wanted.kind is Kind.TEXT:
        return f"text, at most {wanted.limit:,} characters"
    return wanted.kind.value


class _Rows:
    """The rows of one sheet; `placed` are the order's refusals that stand at one of them."""

    def __init__(self, stripe_object: str, edited: EditedRules, trial: Trial | None, sample: int) -> None:
        self._object = stripe_object
        self._edited = edited
        self._trial = trial
        self._sample = sample
        self.placed: list[Refusal] = []

    def rows(self) -> Iterator[MappingRow]:
        known = list(TARGETS[self._object])
        added = [parameter for parameter in self._edited.draft if parameter not in known]
        for parameter in (*known, *sorted(added)):
            yield self._row(parameter)

    def _row(self, parameter: str) -> MappingRow:
        wanted = target_of(self._object, parameter)
        words = OBJECT_WORDS[self._object].parameters.get(parameter, METADATA_WORDS)
        problem, fix = self._problem(parameter, words)
        trial = self._trial
        return MappingRow(
            parameter=parameter,
            meaning=words.meaning,
            holds=holds_words(wanted),
            choices=("true", "false") if wanted.kind is Kind.TRUE_FALSE else wanted.choices,
            required=wanted.required,
            default=words.default,
            rule=self._edited.draft.get(parameter, DraftRule()),
            problem=problem,
            fix=fix,
            read=self._read(parameter, words),
            sent=trial.sent(self._object, parameter, sample=self._sample) if trial else None,
        )

    def _problem(self, parameter: str, words: ParameterWords) -> tuple[str, str]:
        for each in self._edited.problems:
            if each.parameter == parameter:
                return each.message, each.fix
        for refusal in self._trial.refusals if self._trial else ():
            if refusal.field in self._fields(parameter, words):
                self.placed.append(refusal)
                return refusal.message, refusal.fix
        return "", ""

    def _fields(self, parameter: str, words: ParameterWords) -> set[str]:
        """Return the fields by which a refusal names the value of a parameter."""
        rule = self._edited.rules.get(parameter)
        if rule is not None:
            return {rule.path} if rule.path is not None else {f"mapping.{self._object}.{parameter}"}
        if words.field is None:
            return set()
        source = OBJECT_WORDS[self._object].source
        return {words.field, words.field.removeprefix("Order."), f"{source}.{words.field}"}

    def _read(self, parameter: str, words: ParameterWords) -> object:
        if self._trial is None:
            return None
        rule = self._edited.rules.get(parameter)
        source = rule.source if rule is not None else None
        if rule is None and words.field is not None:
            source = resolve(self._object, words.field)
        return self._trial.read(source, self._object, sample=self._sample) if source else None
