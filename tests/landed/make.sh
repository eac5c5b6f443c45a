#!/usr/bin/env bash
# Make an archive beside this script: the example's run, finished by an earlier version, with Snakemake's records of it.
# Usage: tests/landed/make.sh CHECKOUT ARCHIVE, where CHECKOUT is one of that version after `make setup`:
#   run.tar.xz      version 0.1, commit a7aaea2
#   before.tar.xz   the last commit before the rules' commands opened with begin.sh, e601ca6
set -euo pipefail
checkout=$(cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/config"
cp -r "$checkout/config/example" "$folder/config/"
# Inputs are older than results, and all are older than any machine that unpacks them. Records hold the times of inputs.
find "$folder/config" -exec touch -d 2020-01-01T00:00:00Z {} +
cd "$checkout"
tools/run.sh snakemake --cores 2 --directory "$folder" --configfile config/example/config.yaml

cd "$folder"
# Pages and other large files are replaced: Snakemake only checks that they exist.
for file in results/report.html $(find results/qc -name '*.html' -o -name '*.zip' -o -name '*.svg'); do
    echo "made by an earlier version" >"$file"
done
find .snakemake -mindepth 1 -maxdepth 1 ! -name metadata -exec rm -rf {} +
find results logs benchmarks -exec touch -d 2020-01-02T00:00:00Z {} +
tar --sort=name --owner=0 --group=0 --numeric-owner -cJf "$here/$2" .snakemake benchmarks config logs results
