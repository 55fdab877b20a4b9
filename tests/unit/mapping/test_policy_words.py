"""Every policy has words for every value, and every example is what its scenario under test says."""

from __future__ import annotations

import re
from dataclasses import fields
from enum import StrEnum
from pathlib import Path

import pytest

from cpqbridge.mapping.configuration import parse_configuration
from cpqbridge.mapping.policies import Policy
from cpqbridge.mapping.policy_words import POLICY_WORDS

SCENARIOS = Path(__file__).parents[2] / "scenarios"
OPTIONS = [(words.name, option) for words in POLICY_WORDS for option in words.options]
AMOUNT = re.compile(r"\d[\d,]*\.\d{2,4}")


def test_every_policy_has_words_for_each_of_its_values_the_default_first():
    default = Policy()
    chosen = {each.name: getattr(default, each.name) for each in fields(Policy)}
    choices = {name: value for name, value in chosen.items() if isinstance(value, StrEnum)}
    assert [words.name for words in POLICY_WORDS] == list(choices)
    for words in POLICY_WORDS:
        values = [member.value for member in type(choices[words.name])]
        assert sorted(option.value for option in words.options) == sorted(values)
        assert words.options[0].value == choices[words.name].value
        assert words.option(words.options[-1].value) is words.options[-1]


@pytest.mark.parametrize(("policy", "option"), OPTIONS, ids=lambda each: getattr(each, "value", each))
def test_every_example_takes_its_amounts_from_a_scenario_with_that_policy(policy, option):
    folder = SCENARIOS / option.scenario
    story = (folder / "story.md").read_text().replace(",", "")
    for amount in AMOUNT.findall(option.example):
        assert amount.replace(",", "") in story, (amount, option.scenario)
    given = (folder / "orders.json").read_text()
    named = re.search(rf'"{policy}": "(\w+)"', given)
    is_default = parse_configuration({}).policy
    assert (named[1] if named else getattr(is_default, policy).value) == option.value


@pytest.mark.parametrize(("policy", "option"), OPTIONS, ids=lambda each: getattr(each, "value", each))
def test_words_are_whole_sentences(policy, option):
    assert policy
    for text in (option.meaning, option.example):
        assert text[0].isupper() or text[0].isdigit()
        assert text.endswith(".")
