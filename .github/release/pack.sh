#!/usr/bin/env bash
# Packs a built program as releases have it: pack.sh TARGET FOLDER-OF-THE-PROGRAM INTO. Writes
# cargo-nongemm-TARGET.tar.gz and, beside it, its SHA-256.
set -euo pipefail
target=$1 built=$2 into=$3
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=cargo-nongemm
if [[ $target == *-windows-* ]]; then program=cargo-nongemm.exe; fi
archive=cargo-nongemm-$target.tar.gz

mkdir -p "$into"
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
cp "$built/$program" "$root/LICENSE" "$staged"
tar -czf "$into/$archive" -C "$staged" "$program" LICENSE
cd "$into"
if command -v sha256sum >/dev/null; then sha256sum "$archive"; else shasum -a 256 "$archive"; fi >"$archive.sha256"
