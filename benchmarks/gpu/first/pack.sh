#!/usr/bin/env bash
# usage: pack.sh [FOLDER...]
# Puts what a machine with a GPU may lack into ./.gpu, which git does not see: two wheels and the commit's name. What is
# found in the folders is taken from there: *.whl, and gpu.jsonl and cupy.tgz, which an earlier call left in $OUT.
set -euo pipefail
names=(array_api_compat array_api_strict)
folders=()
for folder in "$@"; do
    folders+=("$(cd "$folder" && pwd)")
done
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
if ! git check-ignore -q .gpu/; then
    exclude=$(git rev-parse --git-path info/exclude)
    mkdir -p "$(dirname "$exclude")"
    echo /.gpu/ >>"$exclude"
fi
new=$(mktemp -d) # filled before the old one goes, because a folder may lie in it
trap 'rm -rf "$new"' EXIT
mkdir "$new/whl"
for folder in "${folders[@]}"; do
    for name in "${names[@]}"; do
        found=$(find "$folder" -maxdepth 1 -name "$name-*.whl" | sort -V | tail -n 1)
        [ -z "$found" ] || { rm -f "$new/whl/$name"-*.whl && cp "$found" "$new/whl/"; }
    done
    for file in gpu.jsonl cupy.tgz; do
        [ ! -f "$folder/$file" ] || cp "$folder/$file" "$new/"
    done
done
for name in "${names[@]}"; do
    compgen -G "$new/whl/$name-*.whl" >/dev/null || "${PYTHON:-python3}" -m pip download -q --no-deps -d "$new/whl" "$name"
done
git describe --always --dirty --abbrev=40 --exclude='*' >"$new/commit"
rm -rf .gpu
mkdir .gpu
cp -r "$new/." .gpu/
du -sh .gpu
