#!/usr/bin/env bash
# Runs a command with what tools/setup.sh made: .venv/bin and .tools/bin come first on PATH and, where the tools
# come from conda, Snakemake is told by a profile to deploy the environments of envs/*.yaml.
#
#   tools/run.sh snakemake --cores 4
set -euo pipefail

# shellcheck source=tools/environment.sh
source "$(command dirname -- "${BASH_SOURCE[0]}")/environment.sh"
root=$(builtin cd -- "$(command dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export PATH="$root/.venv/bin:$root/.tools/bin:$PATH"
if [[ -f $root/.tools/profile/config.yaml ]]; then
  export SNAKEMAKE_PROFILE="$root/.tools/profile" CONDA_CHANNEL_PRIORITY=strict
fi
exec "$@"
