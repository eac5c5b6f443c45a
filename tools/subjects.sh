#!/usr/bin/env bash
# Subjects of commits that are not on the main branch yet have at most 72 characters.
#
#   tools/subjects.sh [RANGE]    RANGE is origin/main..HEAD unless given
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Characters are counted, not bytes.
export LC_ALL=C.UTF-8

# A clone without the main branch, or an unpacked archive, has nothing to compare with.
range=${1:-origin/main..HEAD}
[[ -e .git ]] || exit 0
git rev-parse --quiet --verify "${range%%..*}^{commit}" >/dev/null 2>&1 || exit 0

long=""
while IFS= read -r subject; do
  if ((${#subject} > 72)); then long="$long  ${#subject}: $subject"$'\n'; fi
done < <(git log --no-merges --format=%s "$range")
[[ -z $long ]] && exit 0
printf 'Commit subjects have at most 72 characters; longer are\n%s' "$long" >&2
exit 1
