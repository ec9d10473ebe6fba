"""Every document, heading, promise, decision and file that the code, the tests and the documents refer to exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FOLDERS = (".github", "compose", "docs", "k8s", "portable", "profiles", "scripts", "tests")
KINDS = {".css", ".html", ".j2", ".js", ".md", ".py", ".sh", ".toml", ".yaml", ".yml"}
GENERATED = {DOCS / "reference" / "support.md", DOCS / "reference" / "findings.md"}
FICTIONAL = {"FILE.md", "Form.md", "compose.findings.md"}
"""They look like names of documents: a placeholder, an attribute, a file that a test makes."""
WORDS = {
    word: re.compile(rf"(?<!user )(?<!quality )(?<!standard )\b(?:{word}|{forms})\b", re.IGNORECASE)
    for word, forms in {
        "cloud": "clouds",
        "contract": "contracts",
        "finding": "findings",
        "gateway": "gateways",
        "group": "groups",
        "guard": "guards",
        "ledger": "ledgers",
        "library": "libraries",
        "plan": "plans",
        "profile": "profiles",
        "seal": "sealed",
        "stack": "stacks",
        "waiver": "waivers",
    }.items()
}
"""The project's own words, as the glossary has them."""
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
_URL = re.compile(r"https?://\S+")
_NAMED = re.compile(r"(?<![\w<>{}*$/.-])([\w.-]+(?:/[\w.-]+)*\.md)(#[\w-]+)?")
_PROGRAM = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|sh|j2))`")


def texts() -> Iterator[tuple[Path, str]]:
    """Every file of the repository that may refer to a document, with its text."""
    files = [*ROOT.glob("*.md"), ROOT / "Makefile", *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*"))]
    for file in sorted(files):
        if file != Path(__file__) and file.is_file() and (file.suffix in KINDS or file.name == "Makefile"):
            yield file, file.read_text(encoding="utf-8")


def anchors(document: Path) -> set[str]:
    """The headings of a document as GitHub and the site generator name them in addresses."""
    lines = _FENCE.sub("", document.read_text(encoding="utf-8")).splitlines()
    headings = [_LINK.sub(r"\1", line.lstrip("#").strip()) for line in lines if re.match(r"#{1,6} ", line)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(file: Path, text: str) -> Iterator[str]:
    """The references of a file that lead nowhere: links of Markdown, and names of documents anywhere else."""
    plain = text
    if file.suffix == ".md":
        plain = _LINK.sub(r"\1", text)
        for _, target in _LINK.findall(_FENCE.sub("", text)):
            path, _, anchor = target.partition("#")
            if target.startswith(("http://", "https://", "mailto:")):
                continue
            there = (file.parent / path).resolve() if path else file
            if not there.exists() or not there.is_relative_to(ROOT) or (anchor and anchor not in anchors(there)):
                yield target
    for path, anchor in _NAMED.findall(_URL.sub("", plain)):
        if path in FICTIONAL:
            continue
        candidates = (ROOT / path, file.parent / path, DOCS / path, DOCS / "reference" / path)  # the last for texts of generated pages
        there = next((at for at in candidates if at.is_file()), None) or next(iter(DOCS.rglob(path) if "/" not in path else ()), None)
        there = there or (ROOT / "compose" / "local" / path if path == "findings.md" else None)
        if there is None or (anchor and anchor[1:] not in anchors(there)):
            yield path + anchor


@pytest.mark.parametrize(
    ("file", "text"), [pytest.param(file, text, id=str(file.relative_to(ROOT))) for file, text in texts() if ".md" in text]
)
def test_every_document_that_is_referred_to_exists(file: Path, text: str) -> None:
    assert sorted(set(broken(file, text))) == []


def test_a_reference_that_leads_nowhere_is_found() -> None:
    index = DOCS / "index.md"
    assert list(broken(index, "[a](nowhere/x.md)")) == ["nowhere/x.md"]
    assert list(broken(index, "[a](glossary.md#no-such-word)")) == ["glossary.md#no-such-word"]
    assert list(broken(index, "[a](../../outside)")) == ["../../outside"]
    assert list(broken(ROOT / "portable" / "x.py", "# as missing.md 4.1 says")) == ["missing.md"]
    assert list(broken(ROOT / "portable" / "x.py", "# docs/facts/fuse.md#no-such-fact")) == ["docs/facts/fuse.md#no-such-fact"]
    assert list(broken(ROOT / "portable" / "x.py", "# docs/facts/fuse.md#cache-times, https://example.org/x.md")) == []
    assert list(broken(index, "[a](glossary.md#plan) and `facts/fuse.md`")) == []


def test_every_promise_and_decision_that_is_named_has_a_page() -> None:
    promises = {name.removeprefix("promise-") for name in anchors(DOCS / "explanation" / "promises.md") if name.startswith("promise-")}
    assert promises == set("12345")
    decisions = {str(int(file.name[:4])) for file in (DOCS / "adr").glob("[0-9]*.md")}
    found = [
        f"{file.relative_to(ROOT)}: {what} {number}"
        for file, text in texts()
        for what, known in (("promise", promises), ("ADR", decisions))
        for number in re.findall(rf"\b{what} ([0-9]+)", text)
        if number not in known
    ]
    assert found == []


def test_the_index_of_decisions_has_all() -> None:
    index = (DOCS / "adr" / "index.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\(([0-9][\w-]+\.md)\)", index)) == sorted(file.name for file in (DOCS / "adr").glob("[0-9]*.md"))


def guides() -> list[Path]:
    """The documents that people read from top to bottom, or look things up in; no facts, no decisions, nothing generated."""
    folders = ("tutorials", "how-to", "reference", "explanation")
    return sorted(file for folder in folders for file in (DOCS / folder).glob("*.md") if file not in GENERATED)


@pytest.mark.parametrize("document", guides(), ids=lambda file: file.stem)
def test_the_index_links_it(document: Path) -> None:
    assert f"({document.relative_to(DOCS)})" in (DOCS / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", [*guides(), DOCS / "glossary.md", DOCS / "facts" / "index.md"], ids=lambda file: file.stem)
def test_every_program_that_it_names_exists(document: Path) -> None:
    named = set(_PROGRAM.findall(document.read_text(encoding="utf-8")))
    roots = (ROOT, ROOT / "portable", ROOT / "portable" / "backends")
    assert sorted(path for path in named if not any((root / path).exists() for root in roots)) == []


def unlinked(text: str) -> list[str]:
    """The project's own words whose first use does not link to the glossary. Code, headings and texts of other links do not count."""
    text = re.sub(r"^#.*$|^    .*$|`[^`\n]*`", "", _FENCE.sub("", text), flags=re.MULTILINE)
    text = _LINK.sub(lambda link: f" {{{link[1]}|{link[2].partition('#')[2]}}} " if "glossary.md#" in link[2] else " ", text)
    wrong = []
    for word, forms in WORDS.items():
        if (first := forms.search(text)) and not re.match(rf"[^{{}}|]*\|{word}}}", text[first.start() :]):
            wrong.append(word)
    return wrong


@pytest.mark.parametrize("document", guides(), ids=lambda file: file.stem)
def test_the_first_use_of_an_own_word_links_to_the_glossary(document: Path) -> None:
    assert unlinked(document.read_text(encoding="utf-8")) == []


def test_an_own_word_without_a_link_is_found() -> None:
    assert unlinked("A plan and a [plan](../glossary.md#plan).") == ["plan"]
    assert unlinked("# Plan\n\nA [plan](../glossary.md#plan) of a user group, and `profile`.") == []
