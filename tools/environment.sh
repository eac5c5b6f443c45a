# shellcheck shell=bash
# What tools/run.sh and tools/setup.sh start with: settings of other programs that would change or break what they run
# are forgotten, and what Snakemake needs and a service or container may lack gets a value. Credentials, proxies,
# mirrors, profiles and conda's settings stay. (What the tools of a job see is decided in workflow/scripts/prelude.sh.)

# Functions that the caller exported would come before the programs of the same names.
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

# own_folder: one that can be written and is nobody else's.
own_folder() {
  local folder=${TMPDIR:-/tmp}/terraflow-$UID
  mkdir -m 700 "$folder" 2>/dev/null || true
  if [[ -L $folder || ! -O $folder || ! -w $folder ]]; then folder=$(mktemp -d); fi
  echo "$folder"
}

# Without HOME, bash knows the home of a user who has a name. One that can't be written may hold credentials.
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
# Python looks for the user's name here first, and fails for a user who has none.
LOGNAME=${LOGNAME:-${USER:-$(id -un 2>/dev/null || echo "$UID")}}
export LOGNAME
unset -v name cache
