# Shared by the scripts: messages, the log, and a lock so that only one runs at a time. Sourced after these are set:
# scripts (this folder's parent), script_name, called_as.

say() { printf '%s: %s\n' "${script_name%.sh}" "$*"; }
warn() { printf '%s: %s\n' "${script_name%.sh}" "$*" >&2; }
fail() { warn "$1"; exit 1; }
refuse() { warn "$1"; exit 4; }
misused() { warn "$1"; usage >&2; exit 2; }

is_root() { [ "$(id -u)" = 0 ]; }
has() { command -v "$1" >/dev/null 2>&1; }

say_each() {
  local line
  for line in "$@"; do say "$line"; done
}

begin_work() { # $1: the folder to lock; by default the state folder
  prepare_state_folder
  one_at_a_time "${1:-$state}"
  local command=${called_as%% *}
  log=$state/${script_name%.sh}${command:+-$command}.log
  : >"$log" || fail "cannot write the log $log"
}

prepare_state_folder() {
  if [ -n "${PORTABLE_BOOTSTRAP_STATE:-}" ]; then state=$PORTABLE_BOOTSTRAP_STATE
  elif is_root; then state=/var/lib/portable
  elif [ -n "${HOME:-}" ]; then state=$HOME/.local/state/portable
  else state=${TMPDIR:-/tmp}/portable-$(id -u); fi
  mkdir -p "$state" || fail "cannot create the folder $state"
  # In a world-writable folder, another user may have created it, or a link of that name.
  case $state in "${TMPDIR:-/tmp}"/portable-*)
    if [ -L "$state" ] || ! [ -O "$state" ]; then fail "$state is a link, or belongs to another user: set PORTABLE_BOOTSTRAP_STATE to a folder of your own"; fi ;;
  esac
}

logged() {
  printf '+ %s\n' "$*" >>"$log"
  "$@" >>"$log" 2>&1
}

show_log() {
  warn "the end of $log:"
  tail -n "${1:-25}" "$log" | sed 's/^/  | /' >&2
}

temporary_folder() { # sets $scratch, removed when the script ends
  if [ -n "${scratch:-}" ]; then rm -rf "$scratch"; fi
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/portable-bootstrap.XXXXXX") || fail "cannot create a temporary folder"
  chmod 755 "$scratch" # apt reads it as its own, unprivileged user
}

clean_up() {
  if [ -n "${scratch:-}" ]; then rm -rf "$scratch"; fi
  if [ -n "${holding_services:-}" ]; then release_services; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

one_at_a_time() { # a second bootstrap on the same folder waits for the first
  if [ "${held:-}" = "$1" ] || ! has flock; then return; fi
  held=$1
  exec 9<"$1"
  flock -n 9 && return 0
  say "another bootstrap is running; waiting for it to finish"
  flock -w 900 9 || fail "another bootstrap still has $1 locked after 15 minutes"
}
