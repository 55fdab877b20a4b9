"""`cpqbridge config policies`: the words of the policies on the command line."""

from __future__ import annotations

import json

from cpqbridge.cli.main import main
from cpqbridge.mapping.policy_words import POLICY_WORDS


def test_every_policy_is_explained_with_its_examples(capsys):
    assert main(["config", "policies"]) == 0
    said = capsys.readouterr().out
    for words in POLICY_WORDS:
        assert f"policy.{words.name}: {words.question}" in said
        assert all(option.example in said for option in words.options)


def test_one_policy_as_json_is_the_document_alone(capsys):
    assert main(["config", "policies", "rounding", "--json"]) == 0
    (policy,) = json.loads(capsys.readouterr().out)["policies"]
    assert [option["value"] for option in policy["options"]] == ["report", "true_up"]


def test_a_policy_that_there_is_not_is_told_with_the_nearest_one(capsys):
    assert main(["config", "policies", "rundung"]) == 2
    assert "Did you mean 'rounding'?" in capsys.readouterr().err
