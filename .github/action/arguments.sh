#!/usr/bin/env bash
# Makes the arguments of `cargo nongemm` from the inputs, before anything is installed: what is wrong shows at once.
#
# Each argument is one element of an array all the way; the shell splits none of them again. They are kept in a file for
# the step that runs the program, with a zero byte after each.
set -euo pipefail
# shellcheck source=.github/action/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

mode=$INPUT_MODE
case $mode in
  check | compare | run | merge | comment | signoff) ;;
  *) fail "the input \`mode\` is \`$mode\`; it must be check, compare, run, merge, comment or signoff" ;;
esac
arguments=("$mode")

# True where the mode is among the words.
takes() {
  local word
  for word in "$@"; do
    if [[ $word == "$mode" ]]; then return 0; fi
  done
  return 1
}

# option INPUT VALUE FLAG MODE...: an input that is the value of a flag, in these modes.
option() {
  local input=$1 value=$2 flag=$3
  shift 3
  if [[ -z $value ]]; then return 0; fi
  if ! takes "$@"; then fail "the input \`$input\` is not for \`mode: $mode\`; it is for: $*"; fi
  arguments+=("$flag=$value")
}

# switch INPUT VALUE FLAG MODE...: the same for a flag without a value.
switch() {
  local input=$1 value=$2 flag=$3
  shift 3
  case $value in
    true) ;;
    false | '') return 0 ;;
    *) fail "the input \`$input\` is \`$value\`; it must be true or false" ;;
  esac
  if ! takes "$@"; then fail "the input \`$input\` is not for \`mode: $mode\`; it is for: $*"; fi
  arguments+=("$flag")
}

# each_line TEXT COMMAND...: runs a command with each line of a text that is not blank, without the space around it.
each_line() {
  local text=$1 line
  shift
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line#"${line%%[![:space:]]*}"}
    line=${line%"${line##*[![:space:]]}"}
    if [[ -n $line ]]; then "$@" "$line"; fi
  done <<<"$text"
}

files=()
add_argument() { arguments+=("$1"); }
add_file() { files+=("$1"); }

# A path, or the files that a glob means.
add_report() {
  local file found=
  if [[ -f $1 ]]; then
    files+=("$1")
    return
  fi
  while IFS= read -r file; do
    files+=("$file")
    found=1
  done < <(compgen -G "$1" | LC_ALL=C sort)
  if [[ -z $found ]]; then fail "no file is called \`$1\` (input \`reports\`)" 101; fi
}

# The commit to compare with: what the event says of its base, unless an input names one.
base_of_event() {
  if [[ -n $INPUT_BASE ]]; then
    printf '%s' "$INPUT_BASE"
  elif [[ -n $EVENT_BASE ]]; then
    printf '%s' "$EVENT_BASE"
  else
    fail "the event \`$GITHUB_EVENT_NAME\` has no base to compare with: set the input \`base\` to a branch or a commit" >&2
  fi
}

option config "$INPUT_CONFIG" --config check compare run merge signoff
option onnxruntime-version "$INPUT_ONNXRUNTIME_VERSION" --onnxruntime check compare run signoff
option tier "$INPUT_TIER" --tier check compare run signoff
option partition "$INPUT_PARTITION" --partition check run
option launches "$INPUT_LAUNCHES" --launches check run signoff
option pairs "$INPUT_PAIRS" --pairs compare
switch self-test "$INPUT_SELF_TEST" --self-test check compare signoff
case $mode in
  compare)
    # Two reports, or two runtimes, say by themselves what the sides are.
    case " $INPUT_ARGUMENTS" in
      *[[:space:]]--base-*) option base "$INPUT_BASE" --base compare ;;
      *) if base=$(base_of_event); then option base "$base" --base compare; else exit 2; fi ;;
    esac
    ;;
  *) option base "$INPUT_BASE" --base compare ;;
esac

switch comment "$INPUT_COMMENT" --comment check compare merge signoff
switch check-run "$INPUT_CHECK_RUN" --check-run check compare merge comment signoff
switch require-comment "$INPUT_REQUIRE_COMMENT" --require-comment check compare merge signoff
option comment-id "$INPUT_COMMENT_ID" --comment-id check compare merge comment signoff
if [[ $mode != run ]]; then arguments+=(--github); fi

# Where the reports lie: named from the workspace, as the job's next steps find them.
report=$INPUT_REPORT markdown=$INPUT_MARKDOWN fetch=false
case $mode in
  signoff)
    report=nongemm-signoff/signoff.json markdown=nongemm-signoff/signoff.md
    arguments+=(--output=nongemm-signoff)
    ;;
  comment)
    markdown=
    if [[ -n $INPUT_REPORTS ]]; then
      each_line "$INPUT_REPORTS" add_report
      if [[ ${#files[@]} != 1 ]]; then fail "\`mode: comment\` posts one report; the input \`reports\` names ${#files[@]}"; fi
      report=${files[0]}
    else
      fetch=true
      report=$(slashes "$RUNNER_TEMP")/nongemm-fetched/report.json
    fi
    arguments+=("--from=$report")
    files=()
    ;;
  *)
    arguments+=("--save=$report" "--markdown=$markdown")
    ;;
esac

case $mode in
  check | compare | run | signoff) each_line "$INPUT_SELECTION" add_file ;;
  *) if [[ -n $INPUT_SELECTION ]]; then fail "the input \`selection\` is not for \`mode: $mode\`"; fi ;;
esac
case $mode in
  merge)
    each_line "$INPUT_REPORTS" add_report
    if [[ ${#files[@]} == 0 ]]; then fail '`mode: merge` needs the input `reports`: files or globs, one a line'; fi
    ;;
  comment) ;;
  *) if [[ -n $INPUT_REPORTS ]]; then fail "the input \`reports\` is not for \`mode: $mode\`"; fi ;;
esac

each_line "$INPUT_ARGUMENTS" add_argument
# What is selected comes last and after `--`, so that none of it is read as a flag.
if [[ ${#files[@]} != 0 ]]; then arguments+=(-- "${files[@]}"); fi

# A path as the job's other steps see it.
from_workspace() {
  case $1 in
    '' | /* | [A-Za-z]:/*) printf '%s' "$1" ;;
    *) if [[ $INPUT_WORKING_DIRECTORY == . ]]; then printf '%s' "$1"; else printf '%s/%s' "${INPUT_WORKING_DIRECTORY%/}" "$1"; fi ;;
  esac
}

kept=$(mktemp "$(slashes "$RUNNER_TEMP")/nongemm-arguments.XXXXXX")
printf '%s\0' "${arguments[@]}" >"$kept"
printf 'cargo nongemm'
printf ' %q' "${arguments[@]}"
printf '\n'
output arguments "$kept"
output report-file "$report"
output markdown-file "$markdown"
output report-json "$(from_workspace "$report")"
output markdown "$(from_workspace "$markdown")"
output fetch "$fetch"
