#!/usr/bin/env bash
# Installs what `make up` needs on a fresh Debian 12 or 13, and prints each item with the reason, one line each.
# Must not upgrade, remove or restart anything that is installed, nor touch the system's apt configuration.
set -euo pipefail
exec </dev/null

usage() {
  cat <<'HELP'
usage: scripts/bootstrap.sh COMMAND

  python [--dev]   install Python >= 3.11 and create the virtual environment .venv from the lock files
  engine           install and start a container engine, and Docker Compose >= 2.23.1 as its plug-in
  engine --stop    stop the engine if this script started it
  image-tools      install the tools that build a base image where no image registry answers

Installed programs are used as they are: nothing is upgraded, and a second run does nothing.
Only root can install Debian packages. The output of other programs goes to a log, and is shown if one fails.

environment:
  PORTABLE_PYTHON            Python to create the virtual environment with
  PORTABLE_BOOTSTRAP_STATE   folder for the logs and the engine's pid file
                             (root: /var/lib/portable; others: ~/.local/state/portable)

exit codes: 0 done, 1 failed, 2 wrong usage, 4 refused: needs root, another system, or your decision
HELP
}

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # an ordinary user's and su's lack them
called_as="$*"
script_name=${BASH_SOURCE[0]##*/}
scripts=${BASH_SOURCE[0]%"$script_name"}
scripts=$(cd "${scripts:-.}" && pwd -P)
# shellcheck source=scripts/lib/common.sh
. "$scripts/lib/common.sh"
# shellcheck source=scripts/lib/packages.sh
. "$scripts/lib/packages.sh"

bring_engine() {
  # shellcheck source=scripts/lib/newer_debian.sh
  . "$scripts/lib/newer_debian.sh"
  # shellcheck source=scripts/lib/engine.sh
  . "$scripts/lib/engine.sh"
  # shellcheck source=scripts/lib/compose.sh
  . "$scripts/lib/compose.sh"
  case ${1:-} in
    '') ;;
    --stop) if [ $# -gt 1 ]; then misused "too many arguments"; fi; stop_engine; return ;;
    *) misused "unknown option: engine $1" ;;
  esac
  bring_command_for_engine_elsewhere
  if engine_answers; then
    bring_compose_plugin
    return
  fi
  require_local_engine
  if ! is_root; then explain_engine_to_user; fi
  begin_work
  if ! engine_answers; then # another process may have started it meanwhile
    install_engine
    start_engine
  fi
  bring_compose_plugin
}

bring_image_tools() {
  if [ $# -gt 0 ]; then misused "unknown option: $1"; fi
  begin_work
  find_missing_tools "$IMAGE_TOOLS"
  if [ ${#packages[@]} != 0 ]; then install_tools; fi
}

main() {
  checkout=${scripts%/*}
  local command=${1:-}
  if [ $# -gt 0 ]; then shift; fi
  case $command in
    python)
      # shellcheck source=scripts/lib/python.sh
      . "$scripts/lib/python.sh"
      bring_python "$@" ;;
    engine) bring_engine "$@" ;;
    image-tools) bring_image_tools "$@" ;;
    -h | --help | help) usage ;;
    '') misused "missing command" ;;
    *) misused "unknown command: $command" ;;
  esac
}

main "$@"
