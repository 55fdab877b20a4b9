"""What holds for every test: Hypothesis draws the same examples each time, and prorations are never left open.

`make test ARGS="--hypothesis-profile=explore"` draws fresh and many more ones.
"""

import pytest
from hypothesis import Phase, settings

pytest_plugins = ["tests.prorating_requests"]

settings.register_profile("steady", derandomize=True, deadline=None, database=None, print_blob=True)
settings.register_profile("soak", max_examples=20_000, deadline=None, print_blob=True)
settings.register_profile("explore", max_examples=2000, deadline=None, print_blob=True)
# For `tools/mutants.py`: few examples, and a failing one is not made smaller, since nobody looks at it.
settings.register_profile(
    "mutants",
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("steady")


def pytest_addoption(parser):
    parser.addoption(
        "--accept",
        action="store_true",
        help="write the plan.json of every golden scenario anew; read each change before you commit it",
    )
    parser.addoption(
        "--examples", type=int, help="how many examples each property draws, whatever the profile says"
    )
    parser.addoption("--whole", action="store_true", help="run whole matrices where a sample is the default")
    parser.addoption(
        "--turn",
        type=int,
        default=0,
        help="which sample of a matrix; every run takes the same one unless told another",
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    # Hypothesis has loaded the profile of the command line by now.
    examples = config.getoption("--examples")
    if examples is not None:
        settings.register_profile("counted", parent=settings.default, max_examples=examples)
        settings.load_profile("counted")
