# shellcheck shell=bash
# What every shell command of a rule starts with. Arguments: the Python that runs the scripts, and their folder; with
# `multiqc` as third, MultiQC is that Python's.

set -Eeuo pipefail

# Tools see what is named here, and nothing else of where the run was started: settings of other installations, other
# languages and other programs change results or end jobs. Credentials stay with Snakemake, which fetches what jobs read.
for name in $(compgen -e); do
  case $name in
    PATH | HOME | USER | LOGNAME | TZ | TMPDIR | TMP | TEMP | TEMPDIR | PWD | XDG_CACHE_HOME) ;; # where it is
    LD_* | DYLD_* | LOCPATH | LOCALE_ARCHIVE* | FONTCONFIG_* | NIX_* | CONDA_* | _CE_* | MAMBA_*) ;; # how programs start
    *_NUM_THREADS | *_MAXIMUM_THREADS | SNAKEMAKE_*) ;; # what Snakemake says
    *_proxy | *_PROXY | SSL_CERT_FILE | SSL_CERT_DIR | CURL_CA_BUNDLE) ;; # the network
    TERRAFLOW_SAMTOOLS | TERRAFLOW_BCFTOOLS) ;; # programs of the user's own
    UID | EUID | PPID | SHELLOPTS | BASHOPTS) ;; # bash's own, read-only
    *) unset -v "$name" ;;
  esac
done

# After the loop: it takes away variables of these names that the caller has.
PYTHON=$1 SCRIPTS=$2

# samtools and bcftools are those of the project, whatever else stands on PATH: other versions find other genotypes.
if [[ ! -x $SCRIPTS/bin/samtools || ! -x $SCRIPTS/bin/bcftools ]]; then
  echo "$SCRIPTS/bin: samtools and bcftools there are missing or not executable; take the project's files anew, or chmod +x" >&2
  exit 1
fi
export TERRAFLOW_PYTHON=$PYTHON PATH=$SCRIPTS/bin:$PATH

# Calling opens the alignments of all samples at once, merging all shards of a sample: more files than the 1,024 of Linux
# or the 256 of macOS that a process may open unless it asks. Some programs walk through all numbers there could be, so
# it isn't asked for a million; where there is no limit, macOS has one nevertheless, and not always more than 10,240.
files=$(ulimit -Hn)
if [[ $files == unlimited ]]; then files=10240; fi
if ((files > 65536)); then files=65536; fi
if [[ $(ulimit -Sn) != unlimited ]] && (($(ulimit -Sn) < files)); then ulimit -Sn "$files" 2>/dev/null || true; fi

# A job writes into a folder of its own. What it makes gets its name by a rename, when it is whole: a killed job leaves
# nothing that looks like a result, and one that outlives its killed run can't write into what the next run makes.
# (A CRAM holds the first 20 bytes of its first name, which are thus the same for all jobs.)
mkdir -p .snakemake/scratch
SCRATCH=$(mktemp -d .snakemake/scratch/job.XXXXXXXX)

# Numbers, dates and orders as in C, names of files in UTF-8. A home without settings, which can be written; caches of
# fonts stay where they are, if they can be written. References of CRAM are named to each tool, so none is looked for.
case $OSTYPE in darwin*) LC_CTYPE=UTF-8 ;; *) LC_CTYPE=C.UTF-8 ;; esac
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache} HOME=$PWD/$SCRATCH
if [[ ! -w $cache ]] && ! mkdir "$cache" 2>/dev/null; then cache=$HOME; fi
export LANG=C LC_CTYPE HOME XDG_CACHE_HOME="$cache" USER="${USER:-user}" LOGNAME="${LOGNAME:-user}"
export REF_PATH=/nonexistent PYTHONDONTWRITEBYTECODE=1 PYTHONNOUSERSITE=1 PYTHONUTF8=1

# finish STATUS: ends what still runs and takes the folder away. A full disk takes no log either: the terminal is told.
exec 3>&2
finish() {
  local free
  jobs -p | xargs -r kill 2>/dev/null || true
  free=$(df -Pk . | awk 'NR == 2 { print $4 }')
  rm -rf "$SCRATCH"
  if (($1 != 0 && free < 1024)); then
    echo "No space left on device: $PWD had $free kB left. Make room and run again." | tee /dev/fd/3 >&2
  fi
}
trap 'finish $?' EXIT
# A failed pipe says in the log which of its parts failed: 137 is a part that was killed, often for want of memory,
# 141 one whose reader had gone.
trap 'echo "exit codes of the parts of what failed, in order: ${PIPESTATUS[*]}" >&2' ERR

# script NAME ARGUMENTS…: a script of this folder
script() {
  "$PYTHON" "$SCRIPTS/$1.py" "${@:2}"
}

# unchanged FINGERPRINT… FILE…: fails if a file of the user is another one than the job was planned with
unchanged() {
  case "$*" in *', last changed at '*) script fingerprint -- "$@" ;; esac
}

# stage OUTPUT…: makes room for outputs, which are then written to "$SCRATCH/OUTPUT"
stage() {
  local output
  for output in "$@"; do mkdir -p "$SCRATCH/${output%/*}"; done
}

# publish OUTPUT…: gives finished outputs their names
publish() {
  local output
  for output in "$@"; do mv -f "$SCRATCH/$output" "$output"; done
}

# padded FAI WINDOWS NUMBER: BED of a window with 1,000 bases more on either side, as far as its contigs go. Variants near
# the end of a window need the reads around them; what the padding itself yields is left to the neighbouring window.
padded() {
  awk -v OFS='\t' -v pad=1000 -v window="$3" '
    NR == FNR { length_of[$1] = $2; next }
    $4 == window {
      start = $2 - pad; end = $3 + pad; limit = length_of[$1]
      print $1, (start > 0 ? start : 0), (end < limit ? end : limit)
    }
  ' "$1" "$2"
}

if [[ ${3:-} == multiqc ]]; then
  multiqc() {
    "$PYTHON" -P -m multiqc "$@"
  }
fi
