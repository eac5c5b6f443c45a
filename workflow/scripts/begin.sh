# shellcheck shell=bash
# The first line of each rule: source "$TERRAFLOW/begin.sh" LOG OUTPUT…
#
# The job's messages go to LOG; file descriptor 3 is the terminal. The job writes each OUTPUT to "$SCRATCH/OUTPUT". When
# all its commands have succeeded, the outputs get their names by renames. A job that fails or is killed gives no file
# its name.
#
# TERRAFLOW is the folder of this file, TERRAFLOW_PYTHON the Python that runs the workflow's modules.

# A function or an alias of the caller's shell could stand for any command below. The assignment puts bash into POSIX
# mode, in which `unset` and `set` can't be functions.
POSIXLY_CORRECT=1 IFS=$' \t\n'
unset -f builtin unalias
builtin unalias -a
for name in $(builtin compgen -A function); do unset -f "$name"; done
set +o posix
unset POSIXLY_CORRECT

# Traps and options of the caller's shell, or of a `shell.prefix` of the workflow that uses this one, would change what
# commands mean and with which exit code a job ends.
set +T
trap - DEBUG RETURN ERR EXIT CHLD
set +aCfkmvx -B -Eeuo pipefail
shopt -u dotglob failglob inherit_errexit lastpipe nocaseglob nocasematch nullglob xpg_echo 2>/dev/null || true # macOS knows some

exec 3>&2 2>"$1"
OUTPUTS=("${@:2}")

# Tools see what is named here, and nothing else of where the run was started: settings of other installations, other
# languages and other programs change results or end jobs. Credentials stay with Snakemake, which fetches what jobs read.
for name in $(compgen -e); do
  case $name in
    PATH | HOME | USER | LOGNAME | TZ | TMPDIR | TMP | TEMP | TEMPDIR | PWD | XDG_CACHE_HOME) ;; # where it is
    LD_* | DYLD_* | LOCPATH | LOCALE_ARCHIVE* | FONTCONFIG_* | NIX_* | CONDA_* | _CE_* | MAMBA_*) ;; # how programs start
    *_NUM_THREADS | *_MAXIMUM_THREADS | SNAKEMAKE_*) ;; # what Snakemake says
    *_proxy | *_PROXY | SSL_CERT_FILE | SSL_CERT_DIR | CURL_CA_BUNDLE) ;; # the network
    TERRAFLOW | TERRAFLOW_PYTHON) ;; # what the Snakefile says
    TERRAFLOW_SAMTOOLS | TERRAFLOW_BCFTOOLS) ;; # programs of the user's own
    UID | EUID | PPID | SHELLOPTS | BASHOPTS) ;; # bash's own, read-only
    *) unset -v "$name" ;;
  esac
done

# samtools and bcftools are those of the project, whatever else stands on PATH: other versions find other genotypes.
if [[ ! -x $TERRAFLOW/bin/samtools || ! -x $TERRAFLOW/bin/bcftools ]]; then
  echo "$TERRAFLOW/bin: samtools and bcftools there are missing or not executable; take the project's files anew, or chmod +x" >&2
  exit 1
fi
export PATH=$TERRAFLOW/bin:$PATH

# Calling opens the alignments of all samples at once, merging all shards of a sample: more files than the 1,024 of Linux
# or the 256 of macOS that a process may open unless it asks. Some programs walk through all numbers there could be, so
# it isn't asked for a million; where there is no limit, macOS has one nevertheless, and not always more than 10,240.
files=$(ulimit -Hn)
if [[ $files == unlimited ]]; then files=10240; fi
if ((files > 65536)); then files=65536; fi
if [[ $(ulimit -Sn) != unlimited ]] && (($(ulimit -Sn) < files)); then ulimit -Sn "$files" 2>/dev/null || true; fi

# A job writes into a folder of its own, so that one that outlives its killed run can't write into what the next run
# makes. (A CRAM holds the first 20 bytes of its first name, which are thus the same for all jobs.)
mkdir -p .snakemake/scratch
SCRATCH=$(mktemp -d .snakemake/scratch/job.XXXXXXXX)

# Numbers, dates and orders as in C, names of files in UTF-8. A home without settings, which can be written; caches of
# fonts stay where they are, if they can be written. References of CRAM are named to each tool, so none is looked for.
case $OSTYPE in darwin*) LC_CTYPE=UTF-8 ;; *) LC_CTYPE=C.UTF-8 ;; esac
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache} HOME=$PWD/$SCRATCH
if [[ ! -w $cache ]] && ! mkdir "$cache" 2>/dev/null; then cache=$HOME; fi
export LANG=C LC_CTYPE HOME XDG_CACHE_HOME="$cache" USER="${USER:-user}" LOGNAME="${LOGNAME:-user}"
export REF_PATH=/nonexistent PYTHONDONTWRITEBYTECODE=1 PYTHONNOUSERSITE=1 PYTHONUTF8=1

# publish: gives the outputs their names, if all are there. A file gets its name in one step, as a second link to it, where
# the results lie on the disk of the scratch folder. Elsewhere, and where there are no links, it is moved to a part beside
# its name first, and renamed then.
publish() {
  local output part
  for output in "${OUTPUTS[@]}"; do
    [[ -e $SCRATCH/$output ]] && continue
    echo "$output: was not made, though all commands of the job succeeded; expected at $SCRATCH/$output" >&2
    return 1
  done
  for output in "${OUTPUTS[@]}"; do
    case $output in */*) part=${output%/*}/ ;; *) part= ;; esac
    part+=.${SCRATCH##*/}.part
    if [[ ! -d $output ]]; then
      ln -- "$SCRATCH/$output" "$output" 2>/dev/null && continue
      mv -f -- "$SCRATCH/$output" "$part" && mv -f -- "$part" "$output" && continue
    fi
    rm -f -- "$part"
    if [[ -d $output ]]; then echo "$output: a folder has this name" >&2; fi
    echo "$output: could not be put in place; check the folder, its permissions and the disk, and run again" >&2
    return 1
  done
}

# remove_parts: takes away parts beside the outputs whose jobs were killed; a living job has its scratch folder.
remove_parts() {
  local output folder last=none part job
  for output in "${OUTPUTS[@]}"; do
    case $output in */*) folder=${output%/*}/ ;; *) folder= ;; esac
    [[ $folder == "$last" ]] && continue
    last=$folder
    for part in "$folder".job.*.part; do
      job=${part##*/.}
      if [[ -e $part && ! -d .snakemake/scratch/${job%.part} ]]; then rm -f -- "$part"; fi
    done
  done
}

# end_children: ends what runs in the background, and would write on in what gets its name.
end_children() {
  local running n
  for ((n = 0; n < 50; n++)); do
    running=$(jobs -pr)
    [[ -z $running ]] && return
    # shellcheck disable=SC2086 # one word for each process
    if ((n == 0)); then kill $running; else sleep 0.1; fi
  done 2>/dev/null
  # shellcheck disable=SC2086
  kill -KILL $running 2>/dev/null
}

# finish STATUS: ends what still runs, publishes what a job without errors has made and takes the folder away. A full
# disk takes no log either: the message goes to the terminal, too.
finish() {
  local status=$1 free
  # What fails from here on is no command of the job.
  trap - ERR
  set +e
  end_children
  if ((status == 0)); then publish || status=1; fi
  free=$(df -Pk . | awk 'NR == 2 { print $4 }')
  rm -rf "$SCRATCH"
  if ((status != 0 && free < 1024)); then
    echo "No space left on device: $PWD had $free kB left. Make room and run again." | tee /dev/fd/3 >&2
  fi
  exit "$status"
}
# In the EXIT trap of a shell that a signal ends, $? is that of the command before, often 0. Hence these traps: a job
# that is killed never publishes. bash runs them when its current command has ended: at once if all processes of the job
# get the signal, as from a terminal. Whoever ends a job by its shell's number alone has to end what it started, too, as
# the time limit does.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 128' QUIT PIPE ALRM USR1 USR2 XCPU XFSZ VTALRM
trap 'finish $?' EXIT
# A failed pipe says in the log which of its parts failed: 137 is a part that was killed, often for want of memory,
# 141 one whose reader had gone.
trap 'echo "exit codes of the parts of what failed, in order: ${PIPESTATUS[*]}" >&2 || true' ERR

# The folders of the outputs.
mkdir -p -- "${OUTPUTS[@]/#/$SCRATCH/}"
rmdir -- "${OUTPUTS[@]/#/$SCRATCH/}"
remove_parts

# run_module MODULE ARGUMENTS…: runs a module of terraflow_workflow, of the copy that lies with the Snakefile
run_module() {
  PYTHONPATH=$TERRAFLOW/../lib "$TERRAFLOW_PYTHON" -P -m "terraflow_workflow.$1" "${@:2}"
}

# multiqc ARGUMENTS…: MultiQC of the Python that runs modules
multiqc() {
  "$TERRAFLOW_PYTHON" -P -m multiqc "$@"
}

# bwa-mem2 ARGUMENTS…: bwa-mem2, or how to get it
bwa-mem2() {
  if ! type -P bwa-mem2 >/dev/null; then
    run_module reference.aligners >&2
    return 127
  fi
  command bwa-mem2 "$@"
}

# without_shield: the SAM on standard input, without the contig that the index of bwa-mem2 has in front of all others
without_shield() {
  local line=
  while [[ $line != @SQ* ]] && IFS= read -r line; do
    case $line in $'@SQ\tSN:terraflow-shield\t'*) ;; *) printf '%s\n' "$line" ;; esac
  done
  cat
}

# unchanged FINGERPRINT… FILE…: fails if a file of the user is another one than the job was planned with
unchanged() {
  case "$*" in *', last changed at '*) run_module inputs.fingerprint -- "$@" ;; esac
}

# index_slices: indexes the files that $SCRATCH/alignments.txt lists, by other names, since inputs' folders stay as they are
index_slices() {
  local slice number=0
  while read -r slice; do
    number=$((number + 1))
    case $slice in /*) ;; *) slice=$PWD/$slice ;; esac
    ln -s "$slice" "$SCRATCH/$number.cram"
    samtools index "$SCRATCH/$number.cram"
    echo "$SCRATCH/$number.cram" >&4
  done <"$SCRATCH/alignments.txt" 4>"$SCRATCH/indexed.txt"
  mv "$SCRATCH/indexed.txt" "$SCRATCH/alignments.txt"
}

# way_through BED: prints how bcftools goes through indexed slices to the places in BED: -R looks each of them up, which
# decodes a container at least; -T reads all containers once
way_through() {
  local pieces containers slices
  pieces=$(wc -l <"$1")
  slices=$(wc -l <"$SCRATCH/alignments.txt")
  # A line for each contig of a container, which the fourth field names.
  containers=$(gzip -dc "$SCRATCH"/*.cram.crai | cut -f 4 | uniq | wc -l)
  if ((pieces * slices > containers)); then echo -T; else echo -R; fi
}
