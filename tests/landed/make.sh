#!/usr/bin/env bash
# Make run.tar.xz beside this script: the example's run, finished by version 0.1, with Snakemake's records of it.
# Usage: tests/landed/make.sh CHECKOUT   (a checkout of that version, commit a7aaea2, after `make setup`)
set -euo pipefail
checkout=$(cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/config"
cp -r "$checkout/config/example" "$folder/config/"
cd "$checkout"
tools/run.sh snakemake --cores 2 --directory "$folder" --configfile config/example/config.yaml

cd "$folder"
# Pages and other large files are replaced: Snakemake only checks that they exist.
for file in results/report.html $(find results/qc -name '*.html' -o -name '*.zip' -o -name '*.svg'); do
    echo "made by version 0.1" >"$file"
done
find .snakemake -mindepth 1 -maxdepth 1 ! -name metadata -exec rm -rf {} +
# Inputs are older than results, and all are older than any machine that unpacks them.
find config -exec touch -d 2020-01-01T00:00:00Z {} +
find results logs benchmarks -exec touch -d 2020-01-02T00:00:00Z {} +
tar --sort=name --owner=0 --group=0 --numeric-owner -cJf "$here/run.tar.xz" .snakemake benchmarks config logs results
