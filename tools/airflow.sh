#!/usr/bin/env bash
# Run Python in an environment with Apache Airflow and the provider package, from the folder airflow/. Its packages are
# those of airflow/uv.lock, since Airflow wants others than the project does.
#
#   tools/airflow.sh -m pytest     the package's tests
#   tools/airflow.sh -m mypy       its types
set -euo pipefail

# shellcheck source=tools/own_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/own_env.sh"

mkdir -p "$root/.tools"
pins=$(mktemp "$root/.tools/airflow-pins.XXXXXX")
trap 'rm -f "$pins"' EXIT
"$("$root/tools/setup.sh" --uv)" export --quiet --frozen --no-header --no-emit-project --directory "$root/airflow" >"$pins"
echo "-e $root/airflow" >>"$pins"
own_env airflow "$pins"
rm -f "$pins"
cd "$root/airflow"
exec "$root/.tools/airflow/bin/python" -P "$@"
