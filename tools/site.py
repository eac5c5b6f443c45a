"""Gathers the pages of the site (a hook of mkdocs).

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
    "benchmarks/*.md",
    "config/*.md",
    "demo/*.md",
    "docs/**/*.md",
    "packages/*/*.md",
    "packages/*/docs/*.md",
    "terraform/*.md",
    "terraform/examples/*/*.md",
    "workflow/*.md",
    "workflow/lib/*.md",
)
PICTURES = "docs/pictures/*"
LINK = re.compile(r"(?:\]\(|src=\")([^)\s\"#]+)")


def matching(*patterns: str) -> set[str]:
    """Files of the repository, from its root."""
    return {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}


def linked(page: str) -> set[str]:
    """Files of the repository that a page links to and that are no pages."""
    targets = [target for target in LINK.findall((ROOT / page).read_text()) if "://" not in target]
    paths = [((ROOT / page).parent / target).resolve() for target in targets if not target.endswith(".md")]
    return {path.relative_to(ROOT).as_posix() for path in paths if path.is_file() and path.is_relative_to(ROOT)}


def site_file(path: str, config: MkDocsConfig) -> File:
    """A file of the repository as one of the site."""
    file = File(path, str(ROOT), config.site_dir, config.use_directory_urls)
    if path.endswith(".md"):
        file.dest_uri = file.dest_uri.removeprefix("docs/")
    return file


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Take all pages in place of those of docs/; the theme's own files stay."""
    theme = [file for file in files if file.src_dir != config.docs_dir]
    pages = matching(*PAGES)
    others = set().union(*map(linked, pages)) | matching(PICTURES)
    return Files(theme + [site_file(path, config) for path in sorted(pages | others)])


def of_package(folder: Path) -> list[str]:
    """Its pages: README first, changelog last."""
    own = matching(f"packages/{folder.name}/*.md", f"packages/{folder.name}/docs/*.md")
    return sorted(own, key=lambda page: (not page.endswith("README.md"), page.endswith("CHANGELOG.md"), page))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the packages to the navigation, so that another one needs no word in mkdocs.yml."""
    folders = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
    config.nav = [*(config.nav or []), {"Packages": [{folder.name: of_package(folder)} for folder in folders]}]
    return config
