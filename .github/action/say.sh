# shellcheck shell=bash
# How the steps of the action speak to the runner. Works with the bash 3.2 of macOS, as they all do.

# A text on one line, as workflow commands want it: the runner decodes what would have ended the line.
escaped() {
  local text=$1 percent='%'
  text=${text//"$percent"/%25}
  text=${text//$'\r'/%0D}
  text=${text//$'\n'/%0A}
  printf '%s' "$text"
}

# Ends the step with an error on the page of the run: exit code 2, as of any wrong usage, or the given one.
fail() {
  printf '::error title=cargo nongemm::%s\n' "$(escaped "$1")"
  exit "${2:-2}"
}

warn() { printf '::warning title=cargo nongemm::%s\n' "$(escaped "$1")"; }

# Sets an output of the step. Its value is one line: nothing in it can set another output.
output() { printf '%s=%s\n' "$1" "${2//[$'\r\n']/ }" >>"$GITHUB_OUTPUT"; }

# A path with forward slashes, which bash, cargo and the runner take on Windows too.
slashes() {
  local backslash='\'
  printf '%s' "${1//"$backslash"//}"
}

# What a program says of its version; nothing where it does not run, because it is another platform's, say.
version_of() {
  local said
  said=$("$1" --version 2>/dev/null) || return 0
  printf '%s' "${said##* }"
}

# Makes the program known to this action's next steps, and to the job's as `cargo nongemm`.
use_program() {
  local folder
  folder=$(dirname "$1")
  output program "$1"
  # The runner wants the system's own form of a path here.
  if command -v cygpath >/dev/null; then folder=$(cygpath -w "$folder"); fi
  printf '%s\n' "$folder" >>"$GITHUB_PATH"
}
