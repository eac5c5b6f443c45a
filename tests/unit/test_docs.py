"""The documentation: its site can be built, its links lead somewhere, and it says what there is."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from shared import ROOT, project_files

# Attributes by which a page loads something; a link that a reader may follow loads nothing.
LOADING = {"src", "srcset", "poster", "data"}
sys.path.insert(0, str(ROOT / "tools"))
import picture  # noqa: E402


def project_pages() -> list[Path]:
    """Return all Markdown files of the project."""
    return [path for path in project_files() if path.suffix == ".md"]


def build(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a project's pages as `make lint` does."""
    command = [ROOT / "tools/docs.sh", "build", "--config-file", project / "mkdocs.yml", "--site-dir", site]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_of_the_repository_is_on_the_site(site: Path) -> None:
    titles = [re.search(r"^# (.+)$", page.read_text(), re.MULTILINE) for page in project_pages()]
    shown = [page.read_text() for page in site.rglob("index.html")]
    headings = {
        re.sub(r"<[^>]+>", "", text) for page in shown for text in re.findall(r"<h1[^>]*>(.*?)(?:<a |</h1>)", page)
    }
    assert len(shown) >= len(titles)
    assert {title[1].replace("`", "") for title in titles if title} - headings == set()


def test_broken_links_are_named(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for page in [*project_pages(), ROOT / "mkdocs.yml", ROOT / "tools/site.py"]:
        copy = project / page.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, copy)
    shutil.copytree(ROOT / "docs/pictures", project / "docs/pictures")
    broken = {
        "config/README.md": "[1](../docs/nowhere.md)",
        "docs/aws.md": "[2](costs.md#nowhere)",
        "docs/costs.md": "[3](#nowhere)",
        "terraform/README.md": "[4](nothing.tf)",
        "README.md": "![5](docs/pictures/nothing.svg)",
    }
    for page, link in broken.items():
        with (project / page).open("a") as file:
            file.write(f"\n{link}\n")
    done = build(project, tmp_path / "site")
    assert done.returncode != 0
    for page, link in broken.items():
        target = re.sub(r".*\((.*)\)", r"\1", link)
        assert re.search(rf"'{page}' contains .*'{re.escape(target)}'", done.stderr), (page, done.stderr)


class Loads(HTMLParser):
    """The addresses that a page loads by itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.found += [values[name] for name in LOADING & values.keys()]
        if tag == "link" and values.get("rel") not in {"canonical", "next", "prev"}:
            self.found.append(values["href"])


def foreign(site: Path) -> Iterator[str]:
    """Yield the addresses on other hosts that a page or a style sheet loads."""
    for page in site.rglob("*.html"):
        yield from (f"{page}: {address}" for address in Loads(page.read_text()).found if "//" in address)
        # The theme fetches Mermaid from elsewhere for pages with such a picture.
        yield from (f"{page}: mermaid" for _ in re.findall(r'class="mermaid"', page.read_text()))
    for sheet in site.rglob("*.css"):
        yield from (
            f"{sheet}: {address}"
            for address in re.findall(r"(?:url\(|@import)[\s\"']*(\w+:?//[^\s)]+)", sheet.read_text())
        )


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > 20
    assert list(foreign(site)) == []


def test_something_from_another_host_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="https://fonts.example/a.css"><script src="//cdn.example/a.js"></script>'
        '<a href="https://example.org">a link</a><img src="pictures/a.svg"><pre class="mermaid">a</pre>'
    )
    (tmp_path / "a.css").write_text(
        '@font-face { src: url("https://fonts.example/a.woff2") } a { background: url(a.png) }'
    )
    seen = [address.partition(": ")[2] for address in foreign(tmp_path)]
    assert seen == ["https://fonts.example/a.css", "//cdn.example/a.js", "mermaid", 'https://fonts.example/a.woff2"']


def test_links_to_other_hosts_are_well_formed() -> None:
    links = [
        link for page in project_pages() for link in re.findall(r"\]\((\w+:[^)]*)\)|<(http[^>]*)>", page.read_text())
    ]
    addresses = {a or b for a, b in links}
    assert len(addresses) > 5
    allowed = r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/[\w./~%#?=&+-]*)?|http://127\.0\.0\.1:\d+"
    assert [address for address in sorted(addresses) if not re.fullmatch(allowed, address)] == []


def test_the_picture_shows_the_rules_of_the_workflow() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "tools/picture.py", "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("rules", "edges", "says"),
    [
        ({"decompress", "polish"}, set(), "no step has the rule polish"),
        ({"decompress"}, set(), "step align has a rule bwa_mem, which the workflow has not"),
        ({"decompress"}, {("sort_index", "decompress")}, "no arrow leads from merge to reads"),
        ({"decompress"}, {("decompress", "bwa_mem")}, "no rule needs the arrow from align to merge"),
    ],
)
def test_a_picture_of_another_workflow_is_refused(rules: set[str], edges: set[tuple[str, str]], says: str) -> None:
    assert says in picture.differences(rules, edges)


def test_every_make_target_that_pages_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(page.read_text() for page in project_pages() if "CHANGELOG" not in page.name)
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    assert {"demo", "test", "docs", "docs-serve", "deploy", "bench"} <= named <= targets


def test_readme_fits_a_newcomer_s_patience() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
