# shellcheck shell=bash
# The part of tools/setup.sh that finds or installs the bioinformatics tools. samtools and bcftools are in .venv already
# (terraflow_workflow/hts.py says why); bwa, FastQC and zstd come from PATH, conda or apt-get.

# shellcheck disable=SC2154  # setup.sh sets root and state

all_tools="bwa fastqc zstd"
conda_oldest=24.7.1 # Snakemake 9 requires it

# ---- tools -----------------------------------------------------------------------------------------------------

oldest() {
  case $1 in
    bwa) echo 0.7.17 ;;
    fastqc) echo 0.11.9 ;;
    zstd) echo 1.4 ;;
  esac
}

# sorted WORD...: print each word once.
sorted() { printf '%s\n' "$@" | sort -u | xargs; }

# version_of TOOL PATH: print the version; print nothing and fail if the tool does not run. bwa has no --version, and
# prints its usage with status 1.
version_of() {
  local text
  case $1 in
    bwa)
      text=$("$2" 2>&1 </dev/null || true)
      [[ $text == *Version:* ]] || return 1
      text=${text#*Version:}
      ;;
    *) text=$("$2" --version 2>/dev/null </dev/null) || return 1 ;;
  esac
  first_number "$text"
}

# FastQC starts a Java to print its version, so the answer is kept for as long as both programs stay the same.
same_as_before() {
  [[ $1 == fastqc && -f $state/fastqc-seen && $(ls -liL "$2" "$(type -P java)" 2>&1) == "$(cat "$state/fastqc-seen")" ]]
}

works() {
  local version
  same_as_before "$1" "$2" && return 0
  version=$(version_of "$1" "$2") && at_least "$version" "$(oldest "$1")" || return 1
  [[ $1 != fastqc ]] || ls -liL "$2" "$(type -P java)" >"$state/fastqc-seen" 2>&1 || true
}

# quoted TEXT: print it as one word for a shell.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

# wrap TOOL PATH: put a launcher into .tools/bin that also finds the programs beside the tool (such as FastQC's Java).
wrap() {
  mkdir -p "$state/bin"
  # shellcheck disable=SC2016  # $PATH and $@ are for the script that is written
  printf '#!/bin/sh\nPATH=%s:$PATH\nexport PATH\nexec %s "$@"\n' \
    "$(quoted "${2%/*}")" "$(quoted "$2")" >"$state/bin/$1"
  chmod +x "$state/bin/$1"
}

# have TOOL: find a usable one, on PATH or in .tools/bin.
have() {
  local tool=$1 path first=yes
  while IFS= read -r path; do
    if works "$tool" "$path"; then
      if [[ $first ]]; then rm -f "$state/bin/$tool"; else wrap "$tool" "$path"; fi
      return 0
    fi
    first=""
  done < <(type -ap "$tool" || true)
  [[ -x $state/bin/$tool ]] && works "$tool" "$state/bin/$tool"
}

missing_tools() {
  local tool
  for tool in $all_tools; do
    have "$tool" || echo "$tool"
  done
}

# describe TOOL: print the version that was found, and the one that is needed.
describe() {
  local path
  if path=$(type -P "$1"); then
    echo "$1: found $(version_of "$1" "$path" || echo "one that does not run") at $path, needed is $(oldest "$1") or newer"
  else
    echo "$1: not found, needed is $(oldest "$1") or newer"
  fi
}

# ---- conda, mamba or micromamba --------------------------------------------------------------------------------

find_frontend() {
  type -P conda && return 0
  if [[ -x ${CONDA_EXE:-} ]]; then echo "$CONDA_EXE"; return 0; fi
  type -P mamba && return 0
  type -P micromamba && return 0
  if [[ -x ${MAMBA_EXE:-} ]]; then echo "$MAMBA_EXE"; return 0; fi
  return 1
}

# conda cannot work in a folder with a space in its path; in that case its environments go into the user's cache.
conda_folder() {
  case $root in
    *[[:space:]]*) echo "${XDG_CACHE_HOME:-$HOME/.cache}/terraflow/$(echo "$root" | cksum | cut -d ' ' -f 1)" ;;
    *) echo "$state/conda" ;;
  esac
}

# pins PACKAGE...: print each as envs/*.yaml pins it.
pins() {
  local package
  for package in "$@"; do
    sed -n "s/^ *- *\($package=[^ ]*\).*/\1/p" "$root"/envs/*.yaml | head -n 1
  done
}

conda_create() {
  local frontend=$1 prefix=$2
  shift 2
  rm -rf "$prefix"
  run_logged env CONDA_CHANNEL_PRIORITY=strict MAMBA_CHANNEL_PRIORITY=strict "$frontend" create --yes \
    --prefix "$prefix" --override-channels --channel conda-forge --channel bioconda "$@" && return 0
  rm -rf "$prefix"
  return 1
}

# Snakemake's own deployment needs a conda; where there is only mamba, micromamba or an old conda, it gets one.
snakemake_conda() {
  local frontend=$1 version
  if [[ ${frontend##*/} == conda ]] && version=$("$frontend" --version 2>/dev/null) &&
    at_least "$(first_number "$version")" "$conda_oldest"; then
    [[ $(type -P conda) == "$frontend" ]] || wrap conda "$frontend"
    return 0
  fi
  local base
  base=$(conda_folder)/base
  say "adding a conda of its own for Snakemake"
  conda_create "$frontend" "$base" "conda>=$conda_oldest" && wrap conda "$base/bin/conda"
}

# tools/run.sh gives this profile to Snakemake, so that rules run in the environments of envs/*.yaml.
write_conda_profile() {
  mkdir -p "$state/profile"
  printf 'software-deployment-method: conda\nconda-prefix: "%s"\n' "$(conda_folder)/rules" >"$state/profile/config.yaml"
}

# conda_tools: print the tools whose launcher in .tools/bin leads to conda's environment.
conda_tools() {
  local tool
  for tool in $all_tools; do
    if [[ -f $state/bin/$tool ]] && grep -qF "$(conda_folder)/tools/" "$state/bin/$tool"; then echo "$tool"; fi
  done
}

# This environment holds the tools that are called directly; Snakemake makes the environments of its rules.
tools_from_conda() {
  local frontend prefix tool specs
  frontend=$(find_frontend) || return 1
  prefix=$(conda_folder)/tools
  # shellcheck disable=SC2046  # tools: words
  set -- "$@" $(conda_tools)
  # shellcheck disable=SC2046
  specs=$(pins $(sorted "$@") | xargs)
  say "installing with ${frontend##*/}: $specs"
  # shellcheck disable=SC2086
  if ! conda_create "$frontend" "$prefix" $specs || ! snakemake_conda "$frontend"; then
    say "${frontend##*/} could not install them; looking for another way"
    return 1
  fi
  for tool in "$@"; do wrap "$tool" "$prefix/bin/$tool"; done
  write_conda_profile
}

# Remove the profile when no tool comes from conda.
drop_unused_conda() {
  [[ -n $(conda_tools) ]] || rm -rf "$state/profile" "$state/bin/conda"
}

how_to_install() {
  # shellcheck disable=SC2046
  cat <<EOF
Tools: install the tools listed above in one of these ways, then run the same command again.
  Debian, Ubuntu:  sudo apt-get install --no-install-recommends $(sorted "$@")
  conda:           conda create -n terraflow --override-channels -c conda-forge -c bioconda $(pins $(sorted "$@") | xargs)
                   conda activate terraflow    (mamba and micromamba take the same words)
  macOS:           brew install $(sorted "$@")
EOF
}

# After each way of installing, the tools are looked for again: none of the ways has to be trusted.
# shellcheck disable=SC2046,SC2086  # names of tools and packages: words
get_tools() {
  local missing tool
  missing=$(missing_tools | xargs)
  if [[ -n $missing ]]; then
    if find_frontend >/dev/null || may_use_apt; then
      for tool in $missing; do say "$(describe "$tool")"; done
    fi
    tools_from_conda $missing || true
    missing=$(missing_tools | xargs)
  fi
  if [[ -n $missing ]]; then
    apt_install $(sorted $missing) || true
    missing=$(missing_tools | xargs)
  fi
  if [[ -n $missing ]]; then
    for tool in $missing; do problem "$(describe "$tool")"; done
    problem "$(how_to_install $missing)"
  fi
  drop_unused_conda
}

# ---- versions other than those of images and conda -------------------------------------------------------------

# own_or_path TOOL: print the path of the samtools or bcftools that the user asks for, or of the one on PATH.
own_or_path() {
  case $1 in
    samtools) [[ -n ${TERRAFLOW_SAMTOOLS:-} ]] && type -P "$TERRAFLOW_SAMTOOLS" && return 0 ;;
    bcftools) [[ -n ${TERRAFLOW_BCFTOOLS:-} ]] && type -P "$TERRAFLOW_BCFTOOLS" && return 0 ;;
  esac
  type -P "$1"
}

# used TOOL: print the path of the bwa, fastqc or zstd that runs use.
used() {
  if [[ -x $state/bin/$1 ]]; then echo "$state/bin/$1"; else type -P "$1"; fi
}

release() { sed -n 's/^RELEASE = "\(.*\)"/\1/p' "$root/workflow/lib/terraflow_workflow/hts.py"; }

# report_other_versions: print one line for each program whose version is not the project's.
report_other_versions() {
  local tool path found pin chosen release
  release=$(release)
  for tool in samtools bcftools; do
    path=$(own_or_path "$tool") || continue
    found=$(version_of "$tool" "$path") || found="one that does not run"
    chosen=TERRAFLOW_$(echo "$tool" | tr '[:lower:]' '[:upper:]')
    [[ $found != "$release" ]] || continue
    if [[ -n ${!chosen:-} ]]; then
      say "$tool $found at $path is used, as $chosen says; the project's is $release and may find other genotypes"
    else
      say "$tool $found at $path is not used: the project has $release of its own ($chosen=$path would use yours)"
    fi
  done
  for tool in $all_tools; do
    path=$(used "$tool") || continue
    found=$(version_of "$tool" "$path") || continue
    pin=$(pins "$tool")
    [[ $found == "${pin#*=}" ]] || say "$tool $found at $path is used; images and conda have ${pin#*=}"
  done
}

# Report other versions only when a program has changed: FastQC takes a second to print its version.
report_changed_versions() {
  local tool seen
  seen=$(
    release
    echo "${TERRAFLOW_SAMTOOLS:-} ${TERRAFLOW_BCFTOOLS:-}"
    for tool in samtools bcftools; do ls -liL "$(own_or_path "$tool")" 2>&1 || true; done
    for tool in $all_tools; do ls -liL "$(used "$tool")" 2>&1 || true; done
  )
  [[ ! -f $state/versions-seen || $seen != "$(cat "$state/versions-seen")" ]] || return 0
  report_other_versions
  echo "$seen" >"$state/versions-seen"
}
