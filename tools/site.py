"""Gather the pages of the site (a hook of mkdocs).

Pages lie all over the repository. For links, each page and each file that a page links to keeps its place, so that the
same links work on GitHub; docs/ disappears from the addresses of the site.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "*.md",
    "airflow/*.md",
    "benchmarks/*.md",
    "config/*.md",
    "demo/*.md",
    "docs/**/*.md",
    "packages/*/*.md",
    "packages/*/docs/*.md",
    "terraform/*.md",
    "terraform/examples/*/*.md",
    "workflow/lib/*.md",
)
PICTURES = "docs/pictures/*"
LINK = re.compile(r"(?:\]\(|src=\")([^)\s\"#]+)")


def matching(*patterns: str) -> set[str]:
    """Return files of the repository, from its root."""
    return {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}


def linked(page: str) -> set[str]:
    """Return the files of the repository that a page links to and that are no pages."""
    targets = [target for target in LINK.findall((ROOT / page).read_text()) if "://" not in target]
    paths = [((ROOT / page).parent / target).resolve() for target in targets if not target.endswith(".md")]
    return {path.relative_to(ROOT).as_posix() for path in paths if path.is_file() and path.is_relative_to(ROOT)}


def site_file(path: str, config: MkDocsConfig) -> File:
    """Return a file of the repository as one of the site."""
    file = File(path, str(ROOT), config.site_dir, config.use_directory_urls)
    # docs/x.md is x/ on the site, unless x/README.md is.
    if path.endswith(".md") and not (ROOT / path.removeprefix("docs/").removesuffix(".md") / "README.md").is_file():
        file.dest_uri = file.dest_uri.removeprefix("docs/")
    return file


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Take all pages in place of those of docs/; the theme's own files stay."""
    theme = [file for file in files if file.src_dir != config.docs_dir]
    pages = matching(*PAGES)
    others = set().union(*map(linked, pages)) | matching(PICTURES)
    return Files(theme + [site_file(path, config) for path in sorted(pages | others)])


def named(nav: object) -> set[str]:
    """Return the pages that a navigation names."""
    if isinstance(nav, str):
        return {nav}
    parts = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else []
    return set().union(*map(named, parts))


def in_order(pages: set[str]) -> list[str]:
    """Return pages of one folder: README first, changelog last."""
    return sorted(pages, key=lambda page: (not page.endswith("README.md"), page.endswith("CHANGELOG.md"), page))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the packages to the navigation, and other pages that mkdocs.yml does not name."""
    left = matching(*PAGES) - named(config.nav)
    members = [*sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml")), ROOT / "workflow/lib"]
    packages = []
    for member in members:
        own = {page for page in left if page.startswith(f"{member.relative_to(ROOT).as_posix()}/")}
        packages += [{"terraflow-workflow" if member.name == "lib" else member.name: in_order(own)}] if own else []
        left -= own
    config.nav = [*(config.nav or []), {"Packages": packages}, *([{"More": sorted(left)}] if left else [])]
    return config
