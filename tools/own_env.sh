# shellcheck shell=bash
# Sourced: an environment of its own for a program that needs other packages than the project does.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# own_env NAME PINS: make .tools/NAME from a file of pins when it is missing, half-made, or of other pins. Two at once
# take turns.
own_env() {
  local name=$1 pins=$2 env=$root/.tools/$1 uv index
  cmp -s "$pins" "$env/pins" && [[ -x $env/bin/python ]] && return 0
  mkdir -p "$root/.tools"
  if command -v flock >/dev/null; then
    exec 9>"$root/.tools/$name-lock"
    flock 9
    cmp -s "$pins" "$env/pins" && [[ -x $env/bin/python ]] && return 0
  fi
  uv=$("$root/tools/setup.sh" --uv)
  echo "terraflow: installing $name into .tools/$name" >&2
  rm -rf "$env"
  "$uv" --quiet venv --python "$root/.venv/bin/python" "$env"
  index=$("$root/tools/setup.sh" --mirror)
  if [[ -n $index ]]; then export UV_DEFAULT_INDEX=$index; fi
  "$uv" --quiet pip sync --python "$env/bin/python" "$pins"
  cp "$pins" "$env/pins"
}
