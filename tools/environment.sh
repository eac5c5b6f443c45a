# shellcheck shell=bash
# The environment of tools/run.sh and tools/setup.sh. Settings of other programs that would change or break a run are
# removed; variables that Snakemake needs, and that a service or container may lack, get a value. Credentials, proxies,
# mirrors, profiles and conda's settings stay. (workflow/scripts/begin.sh decides what a job's tools see.)

# Functions that the caller exported would be called in place of programs of the same names.
for name in $(compgen -A function); do unset -f "$name"; done
set +o noclobber +o noglob +o posix
for name in $(compgen -e); do
  case $name in
    PYTHONUNBUFFERED | PYTHONDONTWRITEBYTECODE | PYTHONPYCACHEPREFIX) ;;
    PYTHON[A-Z]* | PYTHON_GIL | PYTHON_JIT | BASH_ENV | ENV | CDPATH | GLOBIGNORE | POSIXLY_CORRECT) unset -v "$name" ;;
    GREP_OPTIONS | GREP_COLOR* | TAR_OPTIONS | _JAVA_OPTIONS | J*_JAVA_OPTIONS | JAVA_TOOL_OPTIONS) unset -v "$name" ;;
  esac
done
export PYTHONUTF8=1

if [[ ! -d ${TMPDIR:-} || ! -w $TMPDIR ]]; then unset -v TMPDIR; fi

# own_folder: print a folder that is writable and belongs to this user.
own_folder() {
  local folder=${TMPDIR:-/tmp}/terraflow-$UID
  mkdir -m 700 "$folder" 2>/dev/null || true
  if [[ -L $folder || ! -O $folder || ! -w $folder ]]; then folder=$(mktemp -d); fi
  echo "$folder"
}

# Without HOME, bash finds the home of a user who has a name. A home stays even if it can't be written: it may hold
# credentials.
if [[ -z ${HOME:-} ]]; then
  unset -v HOME
  HOME=~
  if [[ $HOME != /* ]]; then HOME=$(own_folder); fi
  export HOME
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}
mkdir "$cache" "$cache/snakemake" 2>/dev/null || true
if [[ ! -w $cache/snakemake ]]; then
  XDG_CACHE_HOME=$(own_folder)
  export XDG_CACHE_HOME
fi
# Python reads the user's name from this variable first, and fails for a user who has none.
LOGNAME=${LOGNAME:-${USER:-$(id -un 2>/dev/null || echo "$UID")}}
export LOGNAME
unset -v name cache
