#!/usr/bin/env bash
# Run a command with the programs of tools/setup.sh: the project's samtools and bcftools, .venv/bin and .tools/bin come
# first on PATH. Where tools come from conda, a profile makes Snakemake deploy the environments of envs/.
#
#   tools/run.sh snakemake --cores 4
set -euo pipefail

# shellcheck source=tools/environment.sh
source "$(command dirname -- "${BASH_SOURCE[0]}")/environment.sh"
root=$(builtin cd -- "$(command dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export PATH="$root/workflow/scripts/bin:$root/.venv/bin:$root/.tools/bin:$PATH"
export TERRAFLOW_PYTHON="$root/.venv/bin/python"
if [[ -f $root/.tools/profile/config.yaml ]]; then
  export SNAKEMAKE_PROFILE="$root/.tools/profile" CONDA_CHANNEL_PRIORITY=strict
fi
exec "$@"
