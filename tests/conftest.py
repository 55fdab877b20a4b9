"""What holds for every test: Hypothesis draws the same examples each time, and prorations are never left open.

`make test ARGS="--hypothesis-profile=explore"` draws fresh and many more ones.
"""

from hypothesis import settings

pytest_plugins = ["tests.prorating_requests"]

settings.register_profile("steady", derandomize=True, deadline=None, database=None, print_blob=True)
settings.register_profile("soak", max_examples=20_000, deadline=None, print_blob=True)
settings.register_profile("explore", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("steady")


def pytest_addoption(parser):
    parser.addoption(
        "--accept",
        action="store_true",
        help="write the plan.json of every golden scenario anew; read each change before you commit it",
    )
