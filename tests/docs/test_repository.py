"""What holds for every file of the repository, and for the pages people open first."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT_FOLDERS = {".git", ".venv", "__pycache__", "node_modules"}
# Put together here, so that this file does not name what it forbids.
MACHINE_PATHS = tuple("/" + start for start in ("work/", "root/", "home/", "Users/", "opt/", "tmp/brief"))
REGISTRY_HOSTS = (
    "pypi" + ".org",
    "files.python" + "hosted.org",
    "registry.npm" + "js.org",
    "conda" + ".anaconda.org",
)
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def repository_files() -> list[Path]:
    """Files under version control, and those that could be; all files where git is not at hand."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        names = listing.stdout.decode().split("\0")
        return sorted(path for name in names if name and (path := ROOT / name).is_file())
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in LEFT_OUT_FOLDERS]
        found += [Path(folder) / name for name in names]
    return sorted(found)


def texts() -> Iterator[tuple[str, str]]:
    for path in repository_files():
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text()
        except UnicodeDecodeError:
            continue


def pages() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in repository_files() if path.suffix == ".md"]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, made the way the code host makes them."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(FENCE.sub("", text)))
    return {heading.replace(" ", "-") for heading in kept}


def test_files_when_read_name_no_path_of_one_machine_and_no_package_registry():
    found = [
        f"{name}: {needle}"
        for name, text in texts()
        for needle in (*MACHINE_PATHS, *REGISTRY_HOSTS)
        if re.search(
            rf"(?<![\w.~$}}*]){re.escape(needle)}" if needle.startswith("/") else re.escape(needle), text
        )
    ]
    assert not found, "\n".join(found)


def links() -> Iterator[tuple[str, str]]:
    """Yield every link of every page that stays inside the repository, with its page."""
    for page in pages():
        for target in LINK.findall(FENCE.sub("", (ROOT / page).read_text())):
            if not re.match(r"[a-z]+:", target):
                yield page, target


def test_links_when_followed_lead_to_a_file_and_a_heading():
    broken = []
    for page, target in links():
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        if not file.exists():
            broken.append(f"{page}: {target}: no such file")
        elif anchor and anchor not in anchors(file.read_text()):
            broken.append(f"{page}: {target}: no such heading")
    assert not broken, "\n".join(broken)


def test_pages_when_counted_are_all_reachable_from_the_readme():
    reached, open_pages = set(), ["README.md"]
    while open_pages:
        page = open_pages.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in LINK.findall((ROOT / page).read_text()):
            file = ((ROOT / page).parent / target.partition("#")[0]).resolve()
            if file.suffix == ".md" and file.is_relative_to(ROOT) and file.exists():
                open_pages.append(file.relative_to(ROOT).as_posix())
    lost = sorted(page for page in set(pages()) - reached if not page.startswith("tests/"))
    assert not lost, "\n".join(["Link these from a page that the README leads to:", *lost])


def test_readme_when_opened_starts_with_the_two_commands():
    opening = "\n".join((ROOT / "README.md").read_text().splitlines()[:20])
    assert "make demo" in opening
    assert "make test" in opening


def test_requirements_when_read_are_pinned_with_hashes():
    for name in ("dev.txt", "run.txt"):
        text = (ROOT / "requirements" / name).read_text()
        packages = re.findall(
            r"^[a-zA-Z0-9_.-]+(?:\[[^\]]+\])?==[^\\]*\\?\n(?:    --hash=sha256:[0-9a-f]{64}.*\n)+",
            text,
            re.MULTILINE,
        )
        assert len(packages) == len(re.findall(r"^[a-zA-Z0-9]", text, re.MULTILINE))
        assert "://" not in text


def test_readme_and_ci_when_compared_run_the_same_commands():
    script = (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text()
    for command in ("make check", "make test"):
        assert re.search(rf"^{command}\b", script, re.MULTILINE)
        assert command in readme


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "Makefile"])
def test_example_of_a_selection_when_run_finds_tests(page: str):
    (word,) = set(re.findall(r"tests/unit -k (\w+)", (ROOT / page).read_text()))
    named = [path.name + path.read_text() for path in (ROOT / "tests" / "unit").rglob("test_*.py")]
    assert any(re.search(rf"^\S*{word}|def test_\w*{word}", text) for text in named)
