#!/usr/bin/env bash
# Runs the program. Its exit code is the step's.
set -euo pipefail
# shellcheck source=.github/action/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

arguments=()
while IFS= read -r -d '' argument; do arguments+=("$argument"); done <"$ARGUMENTS"
# An empty token is none.
if [[ -z ${GITHUB_TOKEN:-} ]]; then unset GITHUB_TOKEN; fi

if [[ ${arguments[0]} != run ]]; then
  # What holds if the program ends before it can say more; the last value of an output is the one that counts. In place
  # of this shell, so that the signal of a cancelled run reaches the program.
  output verdict incomplete
  exec "$PROGRAM" "${arguments[@]}"
fi

# `run` judges nothing, so that it has no verdict; what it shows goes to the page of the run.
status=0
"$PROGRAM" "${arguments[@]}" || status=$?
if [[ -f $MARKDOWN ]]; then cat "$MARKDOWN" >>"$GITHUB_STEP_SUMMARY"; fi
exit "$status"
