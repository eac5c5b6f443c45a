#!/usr/bin/env bash
# The documentation as a site with search. Its packages are the group `docs` of uv.lock, in an environment of its own.
#
#   tools/docs.sh build    into .tools/site; warnings, such as broken links, are errors
#   tools/docs.sh serve    at http://127.0.0.1:8000, and anew when a page changes; options of `mkdocs serve` may follow
set -euo pipefail

# shellcheck source=tools/own_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/own_env.sh"

command=${1:-build}
shift || true
mkdir -p "$root/.tools"
pins=$(mktemp "$root/.tools/docs-pins.XXXXXX")
trap 'rm -f "$pins"' EXIT
"$("$root/tools/setup.sh" --uv)" export --quiet --frozen --no-header --only-group docs --directory "$root" >"$pins"
own_env docs "$pins"
rm -f "$pins"
cd "$root"
exec env NO_MKDOCS_2_WARNING=true .tools/docs/bin/python -P -m mkdocs "$command" --strict "$@"
