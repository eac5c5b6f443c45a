#!/usr/bin/env bash
# Set TerraFlow up: make a .venv from uv.lock, with samtools and bcftools, and find or install the other tools.
#
#   tools/setup.sh             everything; safe to repeat, quick when nothing is missing
#   tools/setup.sh --no-tools  only the .venv (enough for make lint)
#   tools/setup.sh --uv        print the uv that set-up uses
#   tools/setup.sh --mirror    print the mirror of PyPI that set-up uses; nothing without one
#
# PYTHON=python3.12 chooses the Python. Mirrors are taken from UV_DEFAULT_INDEX, PIP_INDEX_URL or pip's settings.
# TERRAFLOW_SAMTOOLS and TERRAFLOW_BCFTOOLS name programs of your own, which runs then use.
# Everything it makes lies in .venv and .tools; the log of the last long step is .tools/setup.log.
# The script has to run on the bash 3.2 of macOS: it uses no associative arrays and no mapfile.
set -euo pipefail

# shellcheck source=tools/environment.sh
source "$(command dirname -- "${BASH_SOURCE[0]}")/environment.sh"
root=$(builtin cd -- "$(command dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# The project's own packages: the members of the workspace in pyproject.toml.
members=("$root"/packages/* "$root/workflow/lib")
venv=$root/.venv
state=$root/.tools
log=$state/setup.log
uv_pin=0.13.9
uv_oldest=0.5.0 # reads [dependency-groups]
problems=""
apt_is_fresh=""

say() { echo "terraflow: $*" >&2; }

# problem LINE...: keep a message for the end, so that everything missing is reported at once.
problem() { problems="$problems$(printf '%s\n' "$@")
"; }

# ---- small helpers ---------------------------------------------------------------------------------------------

# run_logged COMMAND...: run it quietly; when it fails, show the end of its output.
run_logged() {
  local status=0
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if ((status)); then
    tail -n 12 "$log" | sed 's/^/    /' >&2
  fi
  return "$status"
}

# at_least FOUND WANTED: compare dotted numbers; letters after the numbers do not count.
at_least() {
  local IFS=. i
  # shellcheck disable=SC2206  # the split at dots is what is wanted
  local found=($1) wanted=($2)
  for i in 0 1 2; do
    local a=${found[i]:-0} b=${wanted[i]:-0}
    ((10#$a > 10#$b)) && return 0
    ((10#$a < 10#$b)) && return 1
  done
  return 0
}

# first_number TEXT: print the first dotted number in it.
first_number() {
  [[ $1 =~ ([0-9]+(\.[0-9]+)+) ]] || return 1
  echo "${BASH_REMATCH[1]}"
}

# A search for the machine's own programs must not find those of an earlier set-up.
forget_own_path() {
  local part kept="" IFS=:
  for part in $PATH; do
    case $part in "$venv/bin" | "$state/bin") ;; *) kept="$kept${kept:+:}$part" ;; esac
  done
  PATH=$kept
  export PATH
}

# Two set-ups at once (make demo and make test, say) take turns.
take_turns() {
  command -v flock >/dev/null || return 0
  exec 9>"$state/lock"
  flock -n 9 && return 0
  say "another set-up is running here; waiting for it"
  flock 9
}

# ---- apt-get ---------------------------------------------------------------------------------------------------

# as_root COMMAND...: run it as root, with sudo where the user is not root.
as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

may_use_apt() {
  command -v apt-get >/dev/null || return 1
  [[ $(id -u) == 0 ]] && return 0
  command -v sudo >/dev/null || return 1
  sudo -n true 2>/dev/null && return 0
  [[ -t 0 && -t 2 ]] || return 1
  say "sudo may ask for your password, to install Debian packages"
  sudo true
}

apt_get() {
  run_logged as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"
}

apt_install() {
  may_use_apt || return 1
  say "installing with apt-get: $*"
  if [[ -z $apt_is_fresh ]]; then
    apt_get update || say "apt-get update failed; trying with the package lists as they are"
    apt_is_fresh=yes
  fi
  apt_get install -y --no-install-recommends "$@" && return 0
  say "apt-get could not install them (its last messages are above). Is there a network?"
  return 1
}

# ---- Python ----------------------------------------------------------------------------------------------------

# runs_python PATH TEST: check that this Python starts (a pyenv shim may not), has the modules that are often missing
# from a build of one's own, and that the expression on its version holds.
runs_python() {
  "$1" -I -c "import sys, ssl, zlib, bz2, lzma, sqlite3; sys.exit(not ($2))" >/dev/null 2>&1 </dev/null
}

list_pythons() {
  local name
  if [[ -n ${PYTHON:-} ]]; then type -ap "$PYTHON" || true; fi
  for name in python3 python3.13 python3.12 python3.11 python; do
    type -ap "$name" || true
  done
  ls -d "${PYENV_ROOT:-${HOME:-/}/.pyenv}"/versions/3.1[123].*/bin/python3 2>/dev/null || true
}

# find_python TEST: print the first Python for which the test holds.
find_python() {
  local candidate
  while IFS= read -r candidate; do
    if runs_python "$candidate" "$1"; then
      echo "$candidate"
      return 0
    fi
  done < <(list_pythons)
  return 1
}

supported="(3, 11) <= sys.version_info[:2] <= (3, 13)"

# Install Debian's default Python where it is a supported one, else a supported one beside it.
apt_python() {
  local version
  apt_install python3 python3-venv || return 1
  find_python "$supported" >/dev/null && return 0
  for version in 3.13 3.12 3.11; do
    apt-cache show "python$version-venv" >/dev/null 2>&1 || continue
    apt_install "python$version" "python$version-venv" && return 0
  done
  return 1
}

# choose_python UV: print the value for uv's --python; a download is the last resort.
choose_python() {
  local uv=$1
  if [[ -n ${PYTHON:-} ]] && ! runs_python "$PYTHON" "$supported"; then
    say "PYTHON=$PYTHON is not a working Python 3.11, 3.12 or 3.13; looking for another"
  fi
  find_python "$supported" && return 0
  "$uv" python find --system --no-python-downloads '>=3.11,<3.14' 2>/dev/null && return 0
  if may_use_apt && apt_python && find_python "$supported"; then return 0; fi
  say "no Python 3.11, 3.12 or 3.13 found; asking uv to download one"
  if run_logged "$uv" python install 3.13; then
    "$uv" python find --system 3.13
  else
    return 1
  fi
}

# ---- uv --------------------------------------------------------------------------------------------------------

uv_works() {
  local text
  text=$("$1" --version 2>/dev/null </dev/null) && at_least "$(first_number "$text")" "$uv_oldest"
}

find_uv() {
  local candidate
  while IFS= read -r candidate; do
    if uv_works "$candidate"; then
      echo "$candidate"
      return 0
    fi
  done < <(type -ap uv || true; ls "$state/uv/bin/uv" 2>/dev/null || true)
  return 1
}

# Settings that would make pip install elsewhere are removed; mirrors and certificates stay.
pip_quietly() {
  run_logged env -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT -u PYTHONPATH PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$@"
}

# install_uv PYTHON: install uv in a venv of its own, or in a folder where Python has pip and no venv module.
install_uv() {
  local python=$1
  rm -rf "$state/uv"
  if "$python" -m venv "$state/uv" >"$log" 2>&1; then
    pip_quietly "$state/uv/bin/python" -m pip install --quiet "uv==$uv_pin" && return 0
  elif rm -rf "$state/uv" && "$python" -m pip --version >/dev/null 2>&1; then
    pip_quietly "$python" -m pip install --quiet --target "$state/uv" "uv==$uv_pin" && return 0
  fi
  rm -rf "$state/uv"
  return 1
}

# can_host_uv PYTHON: check that it has pip and venv, or at least pip.
can_host_uv() {
  "$1" -c 'import venv, ensurepip' >/dev/null 2>&1 || "$1" -m pip --version >/dev/null 2>&1
}

get_uv() {
  local python
  find_uv && return 0
  python=$(find_python "$supported" || find_python "sys.version_info >= (3, 8)" || true)
  if [[ -z $python ]] || ! can_host_uv "$python"; then
    if ! apt_python; then
      problem "Python: needed is uv (https://docs.astral.sh/uv), or Python 3.11, 3.12 or 3.13 with its venv module." \
        "On Debian and Ubuntu:  sudo apt-get install python3 python3-venv"
      return 1
    fi
    python=$(find_python "$supported" || find_python "sys.version_info >= (3, 8)") || return 1
  fi
  say "installing uv $uv_pin with pip (only for this folder)"
  if install_uv "$python" && find_uv; then return 0; fi
  problem "Python: pip could not install uv $uv_pin (its last messages are above). Is there a network?" \
    "Name a mirror of PyPI with PIP_INDEX_URL, or install uv yourself: https://docs.astral.sh/uv"
  return 1
}

# ---- .venv -----------------------------------------------------------------------------------------------------

# The stamp is written last, so a .venv without it is half-made. It names the folder, since the scripts of a .venv that
# was moved point to the old place.
stamp() {
  printf '%s\n%s\n' "$root" "$(cat "$root/pyproject.toml" "${members[@]/%//pyproject.toml}" "$root/uv.lock" | cksum)"
}

venv_runs() {
  [[ -x $venv/bin/snakemake ]] && "$venv/bin/python" -c '' 2>/dev/null || return 1
  [[ -n ${PYTHON:-} ]] || return 0
  local want
  want=$("$PYTHON" -c 'import sys; print(sys.version_info[:2])' 2>/dev/null) || return 0
  [[ $("$venv/bin/python" -c 'import sys; print(sys.version_info[:2])') == "$want" ]]
}

venv_ready() {
  [[ -f $venv/terraflow-stamp && $(stamp) == "$(cat "$venv/terraflow-stamp")" ]] && venv_runs
}

# A whole .venv from an older lock can be brought up to date; any other is deleted.
clear_broken_venv() {
  [[ -e $venv || -L $venv ]] || return 0
  if [[ -f $venv/terraflow-stamp && $(head -n 1 "$venv/terraflow-stamp") == "$root" ]] && venv_runs; then
    rm -f "$venv/terraflow-stamp"
    return 0
  fi
  say ".venv is half-made or from elsewhere; making it again"
  rm -rf "$venv"
}

# mirror: print the mirror that the user asked for, if any: uv's own setting, else pip's.
mirror() {
  local python index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}
  if [[ -z $index ]] && python=$(find_python "True"); then
    index=$("$python" -m pip config get global.index-url 2>/dev/null ||
      "$python" -m pip config get install.index-url 2>/dev/null || true)
  fi
  # The registry that the lock was made from is no mirror.
  [[ -n $index ]] && ! grep -qF "registry = \"${index%/}\"" "$root/uv.lock" || return 1
  echo "$index"
}

# uv_here UV ARGUMENT...: run uv without the settings that would make it use another folder or another lock.
uv_here() {
  local uv=$1
  shift
  run_logged env -u VIRTUAL_ENV -u UV_LOCKED -u UV_NO_DEV -u UV_NO_DEFAULT_GROUPS -u UV_PYTHON \
    UV_COMPILE_BYTECODE=1 UV_PROJECT_ENVIRONMENT="$venv" UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-120}" \
    ${PIP_CERT:+SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"} \
    ${PIP_TRUSTED_HOST:+UV_INSECURE_HOST="${UV_INSECURE_HOST:-$PIP_TRUSTED_HOST}"} \
    "$uv" --directory "$root" "$@"
}

# The lock names PyPI's files by address. With a mirror, the same versions and hashes come from the mirror.
sync_from_mirror() {
  local uv=$1 python=$2 index=$3 member editable=()
  uv_here "$uv" export --frozen --no-emit-workspace --output-file "$state/requirements.txt" || return 1
  [[ -x $venv/bin/python ]] || uv_here "$uv" venv --python "$python" "$venv" || return 1
  UV_DEFAULT_INDEX=$index uv_here "$uv" pip sync --python "$venv/bin/python" --require-hashes \
    --index-strategy unsafe-best-match "$state/requirements.txt" || return 1
  for member in "${members[@]}"; do editable+=(--editable "$member"); done
  UV_DEFAULT_INDEX=$index uv_here "$uv" pip install --python "$venv/bin/python" --no-deps "${editable[@]}"
}

sync_venv() {
  local uv=$1 python=$2 index
  if index=$(mirror); then
    sync_from_mirror "$uv" "$python" "$index"
  else
    uv_here "$uv" sync --frozen --python "$python"
  fi
}

make_venv() {
  venv_ready && return 0
  local uv python
  get_uv >"$state/uv-path" || return 0
  uv=$(cat "$state/uv-path")
  if ! python=$(choose_python "$uv"); then
    problem "Python: needed is Python 3.11, 3.12 or 3.13 (not older, not newer)." \
      "On Debian and Ubuntu:  sudo apt-get install python3 python3-venv"
    return 0
  fi
  clear_broken_venv
  say "making .venv from uv.lock (about 1 GB; a minute or two the first time)"
  if ! sync_venv "$uv" "$python" || ! run_logged "$venv/bin/snakemake" --version; then
    problem "Python: the packages of uv.lock could not be installed (the reason is above, or in .tools/setup.log)." \
      "Is there a network? Name a mirror of PyPI with UV_DEFAULT_INDEX or PIP_INDEX_URL."
    return 0
  fi
  stamp >"$venv/terraflow-stamp"
}

# .venv/bin/snakemake goes through tools/run.sh, so that it finds the same tools and the same environment.
lead_snakemake_through_run() {
  local text script=$venv/bin/snakemake
  venv_ready || return 0
  text=$(printf '#!/bin/sh\nexec %s python -P -m snakemake "$@"' "$(quoted "$root/tools/run.sh")")
  if [[ $(cat "$script") != "$text" ]]; then
    printf '%s\n' "$text" >"$script.part"
    chmod +x "$script.part"
    mv -f "$script.part" "$script"
  fi
}

# shellcheck source=tools/programs.sh
source "$root/tools/programs.sh"

# ---- main ------------------------------------------------------------------------------------------------------

finish() {
  [[ -z $problems ]] && return 0
  say "set-up is not complete:"
  printf '%s' "$problems" | sed 's/^/  /' >&2
  exit 1
}

main() {
  mkdir -p "$state"
  forget_own_path
  take_turns
  case ${1:-} in
    --uv) get_uv || finish ;;
    --mirror) mirror || true ;;
    --no-tools)
      make_venv
      lead_snakemake_through_run
      ;;
    "")
      make_venv
      lead_snakemake_through_run
      get_tools
      report_changed_versions
      ;;
    *) say "unknown option $1; see the top of tools/setup.sh"; exit 2 ;;
  esac
  finish
}

main "$@"
