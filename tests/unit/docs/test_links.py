"""Every link and every test that a page names leads somewhere."""

import re
from pathlib import Path

import pytest
from unit.docs.pages import ROOT, pages, spoken, without_blocks

of_each = pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", without_blocks(page.read_text()), re.MULTILINE)}


@of_each
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page.read_text())):
        if re.match(r"https?://", target):
            continue
        path, _, fragment = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), target
        assert not fragment or fragment in anchors(there), target


@of_each
def test_named_tests_exist(page: Path) -> None:
    for name in spoken(page):
        if found := re.fullmatch(r"(tests/[\w./]+\.py)(?:::([\w:]+))?", name):
            path, test = found[1], found[2]
            assert (ROOT / path).is_file(), name
            for part in test.split("::") if test else ():
                assert re.search(rf"^\s*(class|def) {part}\b", (ROOT / path).read_text(), re.MULTILINE), name


def test_every_page_can_be_found() -> None:
    """From the README or from a page that the README leads to."""
    found, wanted = set[Path](), [ROOT / "README.md"]
    while wanted:
        page = wanted.pop()
        if page in found:
            continue
        found.add(page)
        targets = re.findall(r"\]\(([^)#\s]+\.md)(?:#[^)]*)?\)", page.read_text())
        wanted += [(page.parent / target).resolve() for target in targets if not target.startswith("http")]

    assert set(pages()) - found == set()
