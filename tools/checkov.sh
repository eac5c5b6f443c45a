#!/usr/bin/env bash
# Check a Terraform stack with checkov; once it is installed, it needs no network. checkov needs other versions of many
# packages than the project does, so it has an environment of its own: .tools/checkov, made from tools/checkov.txt.
#
#   tools/checkov.sh [--install] [FOLDER]    FOLDER is terraform/ unless given; --install only makes the environment
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
env=$root/.tools/checkov
pins=$root/tools/checkov.txt

# uv does not read pip's settings.
mirror() {
  echo "${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null)}}}"
}

# install: make the environment when it is missing, half-made, or of other pins. Two at once take turns.
install() {
  local uv index
  cmp -s "$pins" "$env/pins" && [[ -x $env/bin/python ]] && return 0
  mkdir -p "$root/.tools"
  if command -v flock >/dev/null; then
    exec 9>"$root/.tools/checkov-lock"
    flock 9
    cmp -s "$pins" "$env/pins" && [[ -x $env/bin/python ]] && return 0
  fi
  uv=$("$root/tools/setup.sh" --uv)
  echo "terraflow: installing checkov into .tools/checkov" >&2
  rm -rf "$env"
  "$uv" --quiet venv --python "$root/.venv/bin/python" "$env"
  index=$(mirror || true)
  if [[ -n $index ]]; then export UV_DEFAULT_INDEX=$index; fi
  "$uv" --quiet pip sync --python "$env/bin/python" "$pins"
  cp "$pins" "$env/pins"
}

install
[[ ${1:-} != --install ]] || exit 0
exec "$env/bin/python" -m checkov.main \
  --skip-download --quiet --compact --framework terraform --directory "${1:-$root/terraform}"
