#!/usr/bin/env bash
# Gets hold of the program, in this order: one of the wanted version on PATH, else a prebuilt release whose checksum is
# right. What remains is to be built from source, by the steps that follow: under which key the result is cached is said
# here. So is where ONNX Runtime is kept.
set -euo pipefail
# shellcheck source=.github/action/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

action=$(slashes "$GITHUB_ACTION_PATH")
temp=$(slashes "$RUNNER_TEMP")
exe=
if [[ $RUNNER_OS == Windows ]]; then exe=.exe; fi

# What releases are called, by platform; nothing where there is none.
target_of_runner() {
  case $RUNNER_OS-$RUNNER_ARCH in
    Linux-X64) printf x86_64-unknown-linux-gnu ;;
    Linux-ARM64) printf aarch64-unknown-linux-gnu ;;
    macOS-ARM64) printf aarch64-apple-darwin ;;
    Windows-X64) printf x86_64-pc-windows-msvc ;;
  esac
}

download() {
  curl --silent --fail --location --proto-redir '=https' --retry 3 --max-time 300 --output "$2" "$1"
}

# SHA-256 of each file, or of standard input, as `sha256sum` writes it.
digest() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

# Owner/name and ref of this action, from where the runner puts what it downloads: .../_actions/OWNER/NAME/REF. The
# contexts `action_repository` and `action_ref` name another action where this one is used by a composite one.
repository='' ref=''
if [[ $action == */_actions/*/*/* ]]; then
  origin=${action##*/_actions/}
  IFS=/ read -r owner name ref <<<"$origin"
  repository=$owner/$name
fi

# A release is what this action is only if the action is of its tag or of its commit. Where a version was asked for, its
# release is what was meant.
is_of_release() {
  if [[ -n $INPUT_VERSION || $ref == "v$version" ]]; then return 0; fi
  [[ $ref =~ ^[0-9a-f]{40}$ ]] || return 1
  download "$releases/commit.txt" commit.txt && [[ $(cat commit.txt) == "$ref" ]]
}

# Downloads, verifies and unpacks the release; false where there is none. A checksum that is wrong ends the step: to go
# on with a build would hide it.
from_release() {
  local target releases archive expected actual
  target=$(target_of_runner)
  if [[ -z $target || -z $repository ]]; then return 1; fi
  releases=$GITHUB_SERVER_URL/$repository/releases/download/v$version
  archive=cargo-nongemm-$target.tar.gz
  rm -rf "$temp/cargo-nongemm-release"
  mkdir -p "$temp/cargo-nongemm-release"
  cd "$temp/cargo-nongemm-release"
  download "$releases/$archive.sha256" "$archive.sha256" || return 1
  is_of_release || return 1
  download "$releases/$archive" "$archive" || return 1
  read -r expected _ <"$archive.sha256" || true
  actual=$(digest "$archive")
  actual=${actual%% *}
  if [[ $actual != "$expected" ]]; then
    fail "$releases/$archive has SHA-256 $actual, and not $expected as its checksum says: it is not used" 101
  fi
  tar -xzf "$archive"
  if [[ $(version_of "./cargo-nongemm$exe") != "$version" ]]; then
    warn "the release of cargo-nongemm $version for $target does not run here; it is built from source"
    return 1
  fi
}

version=${INPUT_VERSION#v}
if [[ -z $version ]]; then
  version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$action/Cargo.toml")
  version=${version%%$'\n'*}
fi
form='^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$'
if [[ ! $version =~ $form ]]; then fail "the input \`version\` is \`$version\`; it must be a version such as 0.1.0"; fi
output version "$version"

# What a build from source depends on: the sources, or the published version, and the system that it links with.
build_key() {
  local what=crate-$version
  if [[ -z $INPUT_VERSION ]]; then
    what=$(cd "$action" && find Cargo.toml Cargo.lock src -type f | LC_ALL=C sort | tr '\n' '\0' | xargs -0 cat | digest)
    what=${what%% *}
  fi
  printf 'cargo-nongemm-%s-%s-%s-%s' "$RUNNER_OS" "$RUNNER_ARCH" "${ImageOS:-any}" "$what"
}

found=$(command -v cargo-nongemm || true)
if [[ -n $found && $(version_of "$found") == "$version" ]]; then
  echo "cargo-nongemm $version is on PATH: $found"
  use_program "$found"
else
  status=0
  (from_release) || status=$?
  case $status in
    0)
      echo "cargo-nongemm $version is a release of $repository, with the right checksum"
      use_program "$temp/cargo-nongemm-release/cargo-nongemm$exe"
      ;;
    1)
      echo "cargo-nongemm $version is built from source"
      output build-folder "$temp/cargo-nongemm-build"
      output build-key "$(build_key)"
      ;;
    *) exit "$status" ;;
  esac
fi

# ONNX Runtime, where the mode runs it. What is cached is verified by the program when it is used.
runtime=$(slashes "${NONGEMM_CACHE_DIR:-$temp/nongemm-cache}")
printf 'NONGEMM_CACHE_DIR=%s\n' "${runtime//[$'\r\n']/ }" >>"$GITHUB_ENV"
case $INPUT_MODE in
  check | compare | run | signoff)
    asked=$(printf '%s\n%s' "$INPUT_ONNXRUNTIME_VERSION" "$INPUT_ARGUMENTS" | digest)
    output runtime-folder "$runtime"
    output runtime-key "nongemm-runtime-$RUNNER_OS-$RUNNER_ARCH-$version-${asked%% *}"
    ;;
esac
