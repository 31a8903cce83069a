#!/usr/bin/env bash
# Builds the program from source, unless the cache had it: from this action's own files, or, where a version was asked
# for, from the registry.
set -euo pipefail
# shellcheck source=.github/action/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

program=$BUILD_FOLDER/bin/cargo-nongemm
if [[ $RUNNER_OS == Windows ]]; then program=$program.exe; fi
if [[ $(version_of "$program") == "$VERSION" ]]; then
  echo "cargo-nongemm $VERSION was built by an earlier run"
  output built false
  use_program "$program"
  exit
fi

command -v cargo >/dev/null ||
  fail "there is no release of cargo-nongemm $VERSION for this runner, and no cargo to build it with: install Rust before this step" 101
rm -rf "$BUILD_FOLDER"
source=(--path "$(slashes "$GITHUB_ACTION_PATH")")
if [[ -n $INPUT_VERSION ]]; then source=(cargo-nongemm --version "$VERSION"); fi
# In a folder without a configuration of cargo's: the workspace may have one, and under test it is not to be trusted.
cd "$RUNNER_TEMP"
cargo install --locked --root "$BUILD_FOLDER" --target-dir "$(slashes "$RUNNER_TEMP")/cargo-nongemm-target" "${source[@]}"
if [[ $(version_of "$program") != "$VERSION" ]]; then fail "what was built is not cargo-nongemm $VERSION" 101; fi
output built true
use_program "$program"
