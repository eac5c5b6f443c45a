#!/usr/bin/env bash
# Check a Terraform stack with checkov; once it is installed, it needs no network. checkov needs other versions of many
# packages than the project does, so it has an environment of its own: .tools/checkov, made from tools/checkov.txt.
#
#   tools/checkov.sh [--install] [FOLDER]    FOLDER is terraform/ unless given; --install only makes the environment
set -euo pipefail

# shellcheck source=tools/own_env.sh
source "$(dirname "${BASH_SOURCE[0]}")/own_env.sh"

own_env checkov "$root/tools/checkov.txt"
[[ ${1:-} != --install ]] || exit 0
exec "$root/.tools/checkov/bin/python" -m checkov.main \
  --skip-download --quiet --compact --framework terraform --directory "${1:-$root/terraform}"
