"""Reads and writes a connection's configuration file."""

from __future__ import annotations

from pathlib import Path

import yaml

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import Configuration, configuration_document, parse_configuration


def read_configuration(path: Path) -> Configuration:
    """Return the configuration that a YAML file holds; an empty file is the default one.

    Raises:
        ConfigurationError: The file cannot be read, is not YAML, or has a name or value that is not known.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"The configuration file {path} cannot be read: {error.strerror}.",
            code="configuration_file",
            field=str(path),
            fix="Check the path and its permissions.",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"The configuration file {path} is not valid YAML{_place(error)}.",
            code="configuration_file",
            field=str(path),
            fix="Correct it there. `cpqbridge config show` prints a valid file.",
        ) from None
    return parse_configuration(content)


def configuration_text(configuration: Configuration) -> str:
    """Return the configuration as YAML that `read_configuration` reads back."""
    text: str = yaml.safe_dump(
        configuration_document(configuration), sort_keys=False, allow_unicode=True, default_flow_style=False
    )
    policy = configuration.policy
    if policy.prorate_precision_confirmed:
        return text
    return (
        f"# policy.prorate_precision is not confirmed yet: {policy.prorate_precision} is used. It must be\n"
        "# the CPQ package setting Subscription Prorate Precision.\n" + text
    )


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return where + (f": {problem}" if problem else "")
