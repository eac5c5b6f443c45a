#!/usr/bin/env bash
# Runs a command with what tools/setup.sh made: samtools and bcftools of the project, .venv/bin and .tools/bin come
# first on PATH and, where tools come from conda, Snakemake is told by a profile to deploy the environments of envs/.
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
