#!/usr/bin/env bash
# Brings what a fresh Debian 12 or 13 lacks for `make up` and `make test`, and says what and why, one line each.
# Must not upgrade, remove or restart anything that is there, nor touch the system's apt configuration.
set -euo pipefail
exec </dev/null

usage() {
  cat <<'HELP'
usage: scripts/bootstrap.sh COMMAND

  python [--dev]   a Python >= 3.11 and the project's virtual environment .venv, from the lock files
  engine           a container engine that answers, and Docker Compose >= 2.23.1 as its plug-in
  engine --stop    stop the engine, if this script started it
  image-tools      what builds a base image where no image registry answers
  lab              what the tests with real engines need from Debian

What is there is used as it is: nothing is upgraded, and a second call does nothing.
Debian packages are installed by root only. The noisy output goes to a log, shown when something fails.

environment:
  PORTABLE_PYTHON            the Python to make the virtual environment with
  PORTABLE_BOOTSTRAP_STATE   folder of the logs and of the engine's pid file
                             (root: /var/lib/portable; others: ~/.local/state/portable)

exit codes: 0 done, 1 failed, 2 wrong usage, 4 refused: needs root, another system, or your decision
HELP
}

readonly COMPOSE_AT_LEAST=2.23.1     # the first with `configs: content:`, which a remote engine needs
readonly PLUGIN_SUITE=trixie         # Debian 13: its docker-compose needs libc6 >= 2.34 only, which Debian 12 has
readonly ENGINE_START_SECONDS=90
readonly ENGINE_STOP_SECONDS=60
readonly DOCKERD_PID_FILE=/var/run/docker.pid
readonly CONTAINERD_PID_FILE=/var/run/docker/containerd/containerd.pid

# What `lab` installs: command|packages, the first that Debian has|why. The command tells whether it is there already.
readonly IMAGE_TOOLS='
mmdebstrap|mmdebstrap|builds a base image from Debian packages where no image registry answers
'
readonly LAB_TOOLS="$IMAGE_TOOLS"'
fusermount3|fuse3|mounts a cloud in the FUSE tests
ip|iproute2|makes the closed networks of the tests
iptables|iptables|counts and drops packets in the leak tests
tcpdump|tcpdump|captures what leaves a sealed app
kubectl|kubectl kubernetes-client|hands manifests to a Kubernetes API server
ssh|openssh-client|reaches an engine by ssh://
sshd|openssh-server|is the far end of the ssh:// tests (its service is left off)
shellcheck|shellcheck|checks the shell scripts
busybox|busybox-static busybox|runs scripts as small images do
'

# ---------------------------------------------------------------------------------------------- saying and logging

say() { printf 'bootstrap: %s\n' "$*"; }
warn() { printf 'bootstrap: %s\n' "$*" >&2; }
fail() { warn "$1"; exit 1; }
refuse() { warn "$1"; exit 4; }
misused() { warn "$1"; usage >&2; exit 2; }

is_root() { [ "$(id -u)" = 0 ]; }
has() { command -v "$1" >/dev/null 2>&1; }

script_folder() {
  local path=${BASH_SOURCE[0]}
  case $path in */*) path=${path%/*} ;; *) path=. ;; esac
  (cd "$path" && pwd -P)
}

begin_work() { # $1: the folder that one bootstrap at a time works on; by default the state folder
  prepare_state_folder
  one_at_a_time "${1:-$state}"
  log=$state/bootstrap-${called_as%% *}.log
  : >"$log" || fail "cannot write the log $log"
}

prepare_state_folder() {
  if [ -n "${PORTABLE_BOOTSTRAP_STATE:-}" ]; then state=$PORTABLE_BOOTSTRAP_STATE
  elif is_root; then state=/var/lib/portable
  elif [ -n "${HOME:-}" ]; then state=$HOME/.local/state/portable
  else state=${TMPDIR:-/tmp}/portable-$(id -u); fi
  mkdir -p "$state" || fail "cannot create the folder $state"
  # In a folder where everybody may write, somebody else may have made it, or a link of that name.
  case $state in "${TMPDIR:-/tmp}"/portable-*)
    if [ -L "$state" ] || ! [ -O "$state" ]; then fail "$state is not yours: set PORTABLE_BOOTSTRAP_STATE to a folder that is"; fi ;;
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
  chmod 755 "$scratch" # apt reads it as its own user
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
  say "another bootstrap is at work; waiting for it"
  flock -w 900 9 || fail "another bootstrap still holds $1 after 15 minutes"
}

# -------------------------------------------------------------------------------------------------- Debian packages

read_distribution() { # sets $distribution, $release ("12"), $codename
  local file=${PORTABLE_OS_RELEASE:-/etc/os-release} # another path is for the tests
  distribution='' release='' codename=''
  [ -r "$file" ] || return 0
  distribution=$(sed -n 's/^ID=//p' "$file" | tr -d \"\')
  release=$(sed -n 's/^VERSION_ID=//p' "$file" | tr -d \"\')
  codename=$(sed -n 's/^VERSION_CODENAME=//p' "$file" | tr -d \"\')
}

supported_distribution() {
  read_distribution
  case $distribution:$release in debian:12 | debian:13) return 0 ;; *) return 1 ;; esac
}

require_debian() { # $1: what is missing
  supported_distribution ||
    refuse "$1, and this script installs packages on Debian 12 and 13 only; this is ${distribution:-an unknown system} ${release:-of unknown version}. Install it yourself and call again."
}

require_root_for_packages() { # $1: what is missing
  is_root || refuse "$1. As root, once:
    $(as_root_command)
then call this again."
}

as_root_command() {
  local prefix=''
  if has sudo; then prefix='sudo '; fi
  printf '%s%s/bootstrap.sh %s' "$prefix" "$scripts" "$called_as"
}

apt_options=(-o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300)

refresh_package_lists() { # at most once, and only when something is to be installed
  if [ -n "${lists_are_fresh:-}" ]; then return; fi
  lists_are_fresh=yes
  logged apt-get "${apt_options[@]}" update || warn "apt-get update failed; going on with the lists that are there"
}

debian_has() { # a package that can be installed
  local policy
  policy=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null) && [[ $policy =~ "  Candidate: "[^\(] ]]
}

first_debian_has() {
  local package
  for package in "$@"; do
    if debian_has "$package"; then printf '%s' "$package"; return 0; fi
  done
  return 1
}

# apt would upgrade or remove packages where the new ones demand it: that is for the machine's owner to decide.
refuse_upgrades() {
  local changes
  planned_changes "$@"
  [ -z "$changes" ] || refuse "installing $* would change what is there:
$changes
Nothing was done. If you agree: apt-get install --no-install-recommends $*"
}

would_change() {
  local changes
  planned_changes "$@"
  [ -n "$changes" ]
}

planned_changes() { # packages -> $changes: a line for each package that would be upgraded or removed
  local plan
  if ! plan=$(LC_ALL=C apt-get "${apt_options[@]}" -s install -y --no-install-recommends --no-upgrade "$@" 2>&1); then
    printf '%s\n' "$plan" >>"$log"
    show_log
    fail "apt cannot install $*"
  fi
  changes=$(printf '%s\n' "$plan" | sed -n -E 's/^Inst ([^ ]+) \[([^]]*)\] \(([^ ]+).*/  upgrade \1 from \2 to \3/p; s/^Remv ([^ ]+).*/  remove \1/p')
}

install_packages() { # $1: "hold" keeps services of the packages from starting; then package names
  local services=$1
  shift
  refuse_upgrades "$@"
  if [ "$services" = hold ]; then hold_services; fi
  if ! DEBIAN_FRONTEND=noninteractive logged apt-get "${apt_options[@]}" install -y --no-install-recommends --no-upgrade "$@"; then
    show_log
    fail "apt-get could not install $*"
  fi
  if [ "$services" = hold ]; then release_services; fi
  hash -r
}

readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='# portable bootstrap, for the time of one installation'

hold_services() { # Debian's own switch; one that an administrator made is left as it is
  if [ -e "$POLICY" ] && ! grep -qF "$POLICY_MARK" "$POLICY"; then return; fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
  chmod 755 "$POLICY"
  holding_services=yes
}

release_services() {
  rm -f "$POLICY"
  holding_services=''
}

install_missing_tools() { # lines "command|packages|why"
  local command choices why packages=() reasons=() missing=()
  while IFS='|' read -r command choices why; do
    if [ -z "$command" ] || has "$command"; then continue; fi
    missing+=("$choices|$why")
  done <<<"$1"
  if [ ${#missing[@]} = 0 ]; then
    say "nothing to install"
    return
  fi
  require_debian "missing: $(printf '%s\n' "${missing[@]%%|*}" | paste -sd' ')"
  require_root_for_packages "missing: $(printf '%s\n' "${missing[@]%%|*}" | paste -sd' ')"
  refresh_package_lists
  local line package
  for line in "${missing[@]}"; do
    # shellcheck disable=SC2086  # the choices are words
    package=$(first_debian_has ${line%%|*}) || { show_log; fail "no Debian package among: ${line%%|*} (${line#*|})"; }
    packages+=("$package")
    reasons+=("installing $package: ${line#*|}")
  done
  say_each "${reasons[@]}"
  if [[ " ${packages[*]} " == *" openssh-server "* ]] && would_change openssh-server; then
    packages=("${packages[@]/#openssh-server/libwrap0}")
    unpack_ssh_server
  fi
  install_packages hold "${packages[@]}"
  keep_ssh_server_off "${packages[@]}"
}

# The server's package demands the client of its own version. The tests need its program only, so the client stays as it is.
unpack_ssh_server() {
  say "unpacking sshd into /usr/local/sbin instead: its package would upgrade what is there"
  temporary_folder
  if ! (cd "$scratch" && logged apt-get "${apt_options[@]}" -o APT::Sandbox::User=root download openssh-server &&
    logged dpkg -x openssh-server_*.deb unpacked); then
    show_log
    fail "cannot fetch openssh-server"
  fi
  install -D -m 755 "$scratch/unpacked/usr/sbin/sshd" /usr/local/sbin/sshd
  local part
  for part in "$scratch/unpacked/usr/lib/openssh"/sshd-*; do # since 9.8 it is several programs
    if [ -e "$part" ]; then install -D -m 755 "$part" "/usr/lib/openssh/${part##*/}"; fi
  done
  if ! getent passwd sshd >/dev/null; then # whom it becomes before anybody is let in
    logged useradd --system --no-create-home --home-dir /run/sshd --shell /usr/sbin/nologin sshd || fail "cannot add the user sshd"
  fi
}

say_each() {
  local line
  for line in "$@"; do say "$line"; done
}

keep_ssh_server_off() { # the tests start an sshd of their own: the machine must not get an open port from us
  local package
  for package in "$@"; do
    if [ "$package" = openssh-server ] && has systemctl; then
      logged systemctl disable --now ssh.service ssh.socket || true
    fi
  done
}

# ------------------------------------------------------------------------- one package of Debian 13, without its root

# The machine's own Debian mirrors, as its sources name them; those known to be Debian's first.
debian_mirrors() {
  # shellcheck disable=SC2016  # apt fills these in
  apt-get indextargets --format '$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F'|' -v codename="$codename" '
      $3 == "main" && ($2 == codename || $2 == "stable" || $2 == "oldstable") && $4 !~ /^cdrom:/ {
        if ($1 == "Debian") known[++k] = $4; else other[++o] = $4
      }
      END { for (i = 1; i <= k; i++) print known[i]; for (i = 1; i <= o; i++) print other[i] }' |
    awk '!seen[$0]++'
}

# A private apt beside the system's: own sources, lists and cache; the machine's proxy settings and Debian's keys.
fetch_from_newer_debian() { # package -> $scratch/unpacked; no root needed
  local package=$1 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  temporary_folder
  mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial" "$scratch/unpacked" "$scratch/packages"
  if is_root; then chown _apt "$scratch/packages"; fi # apt fetches as a user without rights
  : >"$scratch/status"
  cat >"$scratch/apt.conf" <<CONF
#clear APT::Update;
#clear DPkg::Post-Invoke;
Dir::Etc::SourceList "$scratch/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "$scratch";
Dir::State::Lists "$scratch/lists";
Dir::State::Status "$scratch/status";
Dir::Cache "$scratch/cache";
Dir::Log "$scratch";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
CONF
  local trust=''
  if [ -r "$keyring" ]; then trust="[signed-by=$keyring] "; fi
  while read -r mirror; do
    printf 'deb %s%s %s main\n' "$trust" "$mirror" "$PLUGIN_SUITE" >"$scratch/sources.list"
    rm -f "$scratch/packages"/*.deb
    logged apt-get -c "$scratch/apt.conf" -o APT::Update::Error-Mode=any update || continue
    (cd "$scratch/packages" && logged apt-get -c "$scratch/apt.conf" download "$package") || continue
    logged dpkg -x "$scratch/packages/$package"_*.deb "$scratch/unpacked" && return 0
  done < <(debian_mirrors)
  show_log
  fail "cannot fetch $package of Debian 13 from this machine's Debian mirror"
}

# ----------------------------------------------------------------------------------------------------------- Python

# .venv is kept while the digest of all that it was made from is the same. A dev environment serves both wishes.
python_digest() { # lock files... -> digest
  (cd "$checkout" && { pwd -P; sha256sum "$@" pyproject.toml; }) | sha256sum
}

stamp_matches() { # flavour digest
  local kept
  [ -r "$checkout/.venv/.bootstrap-$1" ] && [ -x "$checkout/.venv/bin/python" ] &&
    read -r kept <"$checkout/.venv/.bootstrap-$1" && [ "$kept" = "${2%% *}" ]
}

bring_python() {
  local flavour=run lock
  case ${1:-} in
    '') ;;
    --dev) flavour=dev ;;
    *) misused "unknown option: python $1" ;;
  esac
  if [ $# -gt 1 ]; then misused "too many arguments"; fi
  for lock in requirements.lock pyproject.toml $([ $flavour = run ] || echo requirements-dev.lock); do
    [ -r "$checkout/$lock" ] || fail "$checkout/$lock is missing: is the checkout complete?"
  done
  local run_digest dev_digest=none
  run_digest=$(python_digest requirements.lock)
  if [ -r "$checkout/requirements-dev.lock" ]; then
    dev_digest=$(python_digest requirements.lock requirements-dev.lock)
  fi
  if stamp_matches dev "$dev_digest"; then return; fi
  if [ $flavour = run ] && stamp_matches run "$run_digest"; then return; fi

  begin_work "$checkout"
  if [ $flavour = run ] && stamp_matches run "$run_digest"; then return; fi # made while this one waited
  if stamp_matches dev "$dev_digest"; then return; fi

  if ! stamp_matches run "$run_digest"; then make_environment; fi
  rm -f "$checkout/.venv"/.bootstrap-*
  if [ $flavour = dev ]; then
    say "installing the locked packages of requirements-dev.lock into .venv: the project, its tests and checks"
    install_locked requirements-dev.lock
    printf '%s\n' "${dev_digest%% *}" >"$checkout/.venv/.bootstrap-dev"
  else
    say "installing the locked packages of requirements.lock into .venv: the project runs from it"
    install_locked requirements.lock
  fi
  printf '%s\n' "${run_digest%% *}" >"$checkout/.venv/.bootstrap-run"
}

install_locked() {
  local pip=("$checkout/.venv/bin/python" -m pip --disable-pip-version-check --no-input) isolation=()
  if ! logged "${pip[@]}" install --require-hashes -r "$checkout/$1"; then
    show_log
    fail "pip could not install $1"
  fi
  if has_build_backend; then isolation=(--no-build-isolation); fi # a locked back end is better than a fetched one
  if ! (cd "$checkout" && logged "${pip[@]}" install --no-deps "${isolation[@]}" -e .); then
    show_log
    fail "pip could not install the project itself"
  fi
}

has_build_backend() { # with all that it says it needs
  (cd "$checkout" && .venv/bin/python -c '
import importlib, importlib.metadata, re, tomllib
system = tomllib.load(open("pyproject.toml", "rb"))["build-system"]
backend = importlib.import_module(system["build-backend"].split(":")[0])
for need in system["requires"] + getattr(backend, "get_requires_for_build_editable", list)():
    importlib.metadata.version(re.match(r"[\w.-]+", need)[0])
') >>"$log" 2>&1
}

# A Python is usable when it really makes an environment with pip: Debian's may lack venv, another may lack ensurepip.
make_environment() {
  local python
  for python in ${PORTABLE_PYTHON:+"$PORTABLE_PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 /usr/bin/python3; do
    if make_environment_with "$python"; then
      say "made .venv with $python ($("$checkout/.venv/bin/python" -V)): an environment of the project's own"
      return
    fi
  done
  require_debian "no Python >= 3.11 here makes a virtual environment"
  require_root_for_packages "no Python >= 3.11 here makes a virtual environment"
  refresh_package_lists
  say_each "installing python3: the project is written in it" "installing python3-venv: keeps the project's packages apart from the system's"
  install_packages start python3 python3-venv
  make_environment_with /usr/bin/python3 || { show_log; fail "Debian's Python cannot make a virtual environment in $checkout/.venv"; }
  say "made .venv with /usr/bin/python3 ($("$checkout/.venv/bin/python" -V)): an environment of the project's own"
}

make_environment_with() {
  has "$1" || return 1
  logged "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || return 1
  logged "$1" -m venv --clear "$checkout/.venv" && logged "$checkout/.venv/bin/python" -c 'import pip'
}

# ----------------------------------------------------------------------------------------------------------- engine

bring_engine() {
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
  if ! engine_answers; then # it may have come up while this one waited
    install_engine
    start_engine
  fi
  bring_compose_plugin
}

engine_version='' engine_complaint=''
engine_answers() {
  if ! has docker; then
    engine_complaint='there is no docker command'
    return 1
  fi
  local answer
  if answer=$(timeout 30 docker version --format '{{.Server.Version}}' 2>&1) && [ -n "$answer" ]; then
    engine_version=${answer##*$'\n'}
    return 0
  fi
  engine_complaint=${answer:-no answer within 30 s}
  engine_complaint=${engine_complaint//$'\n'/ }
  return 1
}

engine_address() {
  if [ -n "${DOCKER_HOST:-}" ]; then printf '%s' "$DOCKER_HOST"; return; fi
  has docker || return 0
  docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true
}

# An engine that was named and doesn't answer is not replaced by another one behind the person's back.
require_local_engine() {
  local address
  address=$(engine_address)
  case $address in
    '' | unix:///var/run/docker.sock | unix:///run/docker.sock) ;;
    *) fail "the engine at $address (from DOCKER_HOST or the docker context) does not answer: $engine_complaint" ;;
  esac
}

# A container with the host's socket, or a machine that drives another one, needs the docker command only.
bring_command_for_engine_elsewhere() {
  local address=${DOCKER_HOST:-}
  if has docker; then return; fi
  if [ -z "$address" ]; then
    socket_answers /var/run/docker.sock || return 0
    address=unix:///var/run/docker.sock
  fi
  require_debian "an engine is at $address, but no docker command is here"
  require_root_for_packages "an engine is at $address, but no docker command is here"
  begin_work
  refresh_package_lists
  if debian_has docker-cli; then
    say "installing docker-cli: the command for the engine at $address"
    install_packages start docker-cli
  else
    say "installing the docker command of Debian 13 into /usr/local/bin: for the engine at $address"
    fetch_from_newer_debian docker-cli
    install -m 755 "$scratch/unpacked/usr/bin/docker" /usr/local/bin/docker
    hash -r
  fi
  if [ "${address%%:*}" = ssh ] && ! has ssh; then
    say "installing openssh-client: reaches the engine at $address"
    install_packages start openssh-client
  fi
}

socket_answers() {
  [ -S "$1" ] && perl -MIO::Socket::UNIX -e 'exit !IO::Socket::UNIX->new(Peer => $ARGV[0])' "$1" 2>/dev/null
}

explain_engine_to_user() {
  local me
  me=$(id -un 2>/dev/null || id -u)
  if [ -S /var/run/docker.sock ] && ! [ -w /var/run/docker.sock ]; then
    refuse "a container engine is on this machine, but $me may not use it. As root, once:
    usermod -aG docker $me
then log in again. A member of the group docker can do on this machine whatever root can; where that is too much,
run an engine of your own (rootless) or name another one: export DOCKER_HOST=ssh://user@host"
  fi
  if ! has dockerd; then require_debian "no container engine answers here"; fi
  refuse "no container engine answers here ($engine_complaint), and only root can install or start one. As root, once:
    $(as_root_command)
    usermod -aG docker $me
then log in again. A member of the group docker can do on this machine whatever root can; where that is too much,
run an engine of your own (rootless) or name another one: export DOCKER_HOST=ssh://user@host"
}

install_engine() {
  local packages=() reasons=()
  if ! has dockerd; then
    packages+=(docker.io)
    reasons+=("installing docker.io: the container engine, none answers here")
  fi
  if ! has iptables; then
    packages+=(iptables)
    reasons+=("installing iptables: the engine makes the containers' networks with it")
  fi
  if ! has docker; then packages+=(docker-cli); fi # part of docker.io on Debian 12, a package of its own on 13
  if [ ${#packages[@]} = 0 ]; then return; fi
  require_debian "no container engine answers here"
  refresh_package_lists
  if [ "${packages[-1]}" = docker-cli ]; then
    if debian_has docker-cli; then
      reasons+=("installing docker-cli: the engine's command")
    else
      unset 'packages[-1]'
    fi
  fi
  say_each "${reasons[@]}"
  if under_systemd; then install_packages start "${packages[@]}"; else install_packages hold "${packages[@]}"; fi
}

under_systemd() { [ -d /run/systemd/system ]; }

start_engine() {
  if under_systemd; then
    start_engine_by_systemd
  else
    start_engine_in_background
  fi
}

start_engine_by_systemd() {
  if engine_answers; then # the package started it: it's the machine's now
    say "the engine $engine_version runs as the service docker"
    return
  fi
  say "starting the service docker: no engine answers here"
  if ! logged systemctl start docker.service; then
    logged journalctl -u docker.service -n 40 --no-pager || true
    show_log 40
    fail "systemd could not start docker"
  fi
  wait_for_engine systemd || { logged journalctl -u docker.service -n 40 --no-pager || true; show_log 40; fail "the engine does not answer after $ENGINE_START_SECONDS s: $engine_complaint"; }
  printf 'systemd\n' >"$state/engine.started"
  say "the engine $engine_version answers"
}

start_engine_in_background() {
  local pid engine_log=$state/dockerd.log
  if pid=$(live_pid_of dockerd "$DOCKERD_PID_FILE"); then
    say "an engine (process $pid) is starting; waiting for it"
    wait_for_engine "$pid" || fail "the engine (process $pid) does not answer after $ENGINE_START_SECONDS s: $engine_complaint"
    return
  fi
  clear_leftovers
  mount_control_groups
  say "starting dockerd in the background: no engine answers here (its log: $engine_log)"
  nohup setsid dockerd --pidfile "$DOCKERD_PID_FILE" >"$engine_log" 2>&1 9<&- &
  pid=$!
  if ! wait_for_engine "$pid"; then
    warn "the end of $engine_log:"
    tail -n 25 "$engine_log" | sed 's/^/  | /' >&2
    fail "the engine did not come up: $engine_complaint"
  fi
  pid=$(live_pid_of dockerd "$DOCKERD_PID_FILE") || fail "the engine answers but wrote no $DOCKERD_PID_FILE"
  printf '%s %s\n' "$pid" "$(start_time_of "$pid")" >"$state/engine.started"
  say "the engine $engine_version answers"
}

wait_for_engine() { # a process that ends before it answers ends the wait
  local until=$((SECONDS + ENGINE_START_SECONDS))
  while [ $SECONDS -lt $until ]; do
    if engine_answers; then return 0; fi
    if [ "$1" != systemd ] && ! alive "$1" && ! live_pid_of dockerd "$DOCKERD_PID_FILE" >/dev/null; then
      engine_complaint="dockerd ended"
      return 1
    fi
    sleep 0.3
  done
  return 1
}

live_pid_of() { # program, pid file -> the pid, when that process is that program
  local pid='' name
  [ -r "$2" ] || return 1
  read -r pid <"$2" || true # the file has no newline
  [[ $pid =~ ^[0-9]+$ ]] && alive "$pid" && read -r name <"/proc/$pid/comm" && [ "$name" = "$1" ] && printf '%s' "$pid"
}

alive() { # a zombie, which nobody reaps in some containers, is not
  local line
  [ -r "/proc/$1/stat" ] && read -r line <"/proc/$1/stat" && [[ ${line##*) } != [ZX]* ]]
} 2>/dev/null

start_time_of() { # ticks since boot: with the pid it names one process for good
  local line fields
  read -r line <"/proc/$1/stat" && read -ra fields <<<"${line##*) }" && printf '%s' "${fields[19]}"
}

# An engine that was killed hard leaves pid files behind, which another process may own by now, and a containerd.
clear_leftovers() {
  local pid
  rm -f "$DOCKERD_PID_FILE"
  if pid=$(live_pid_of containerd "$CONTAINERD_PID_FILE"); then
    say "ending containerd (process $pid), left behind by an engine that was killed"
    kill "$pid" 2>/dev/null || true
    await_end "$pid" 15 || { kill -KILL "$pid" 2>/dev/null && await_end "$pid" 15; } || true
  fi
  rm -f "$CONTAINERD_PID_FILE"
}

await_end() { # pid seconds
  local until=$((SECONDS + $2))
  while alive "$1"; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.2
  done
}

mount_control_groups() { # what systemd does elsewhere; the engine cannot run a container without them
  local controller enabled
  if grep -qE '^[^ ]+ [^ ]+ cgroup2? ' /proc/mounts; then return; fi
  say "mounting the control groups at /sys/fs/cgroup: the engine needs them"
  if grep -qw cgroup2 /proc/filesystems && ! awk '!/^#/ && $2 != 0 {found = 1} END {exit !found}' /proc/cgroups; then
    logged mount -t cgroup2 cgroup2 /sys/fs/cgroup || true
    return
  fi
  logged mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup || return 0
  while read -r controller enabled; do
    if [ "$enabled" != 1 ]; then continue; fi
    mkdir -p "/sys/fs/cgroup/$controller"
    logged mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" || rmdir "/sys/fs/cgroup/$controller"
  done < <(awk '!/^#/ {print $1, $4}' /proc/cgroups)
}

stop_engine() {
  local pid started
  prepare_state_folder
  if ! [ -r "$state/engine.started" ]; then
    say "no engine of this script's runs; nothing to stop"
    return
  fi
  is_root || refuse "only root can stop the engine"
  begin_work
  read -r pid started <"$state/engine.started"
  if [ "$pid" = systemd ]; then
    say "stopping the service docker, which this script started"
    logged systemctl stop docker.service docker.socket || { show_log; fail "systemd could not stop docker"; }
  elif alive "$pid" && [ "$(start_time_of "$pid")" = "$started" ]; then
    say "stopping the engine (process $pid), which this script started"
    kill "$pid"
    await_end "$pid" "$ENGINE_STOP_SECONDS" || fail "the engine (process $pid) still runs after $ENGINE_STOP_SECONDS s; its log: $state/dockerd.log"
  else
    say "the engine that this script started has ended already"
  fi
  rm -f "$state/engine.started"
}

# ---------------------------------------------------------------------------------------------------------- Compose

compose_version=''
compose_is_new_enough() {
  compose_version=$(timeout 30 docker compose version --short 2>/dev/null) || compose_version=''
  compose_version=${compose_version#v}
  [ -n "$compose_version" ] && at_least "$compose_version" "$COMPOSE_AT_LEAST"
}

at_least() { # version, wanted: three numbers each, anything after them is ignored
  local have want index
  IFS=.-+~ read -ra have <<<"$1"
  IFS=.-+~ read -ra want <<<"$2"
  for index in 0 1 2; do
    if [[ ! ${have[index]:-0} =~ ^[0-9]+$ ]]; then return 1; fi
    if [ "${have[index]:-0}" -gt "${want[index]:-0}" ]; then return 0; fi
    if [ "${have[index]:-0}" -lt "${want[index]:-0}" ]; then return 1; fi
  done
}

bring_compose_plugin() {
  if compose_is_new_enough; then
    say "the engine $engine_version and Docker Compose $compose_version are there"
    return
  fi
  local why="Docker Compose is missing"
  if [ -n "$compose_version" ]; then why="Docker Compose $compose_version is older than $COMPOSE_AT_LEAST"; fi
  require_debian "$why"
  begin_work
  if compose_is_new_enough; then return; fi # brought while this one waited
  if is_root && [ "$release" = 13 ] && [ -z "$compose_version" ]; then
    refresh_package_lists
    say "installing docker-compose: $why, and the stack is run by it"
    install_packages start docker-compose
  else
    install_plugin_beside "$why"
  fi
  compose_is_new_enough ||
    fail "$why, and the plug-in that was installed is not the one docker uses: ${compose_version:-docker compose version fails}. See \`docker info\` for the folders of plug-ins."
  say "the engine $engine_version and Docker Compose $compose_version are there"
}

install_plugin_beside() { # the binary alone, in the folder for plug-ins of the machine, or of this user
  local folder=/usr/local/lib/docker/cli-plugins plugin
  if ! is_root; then folder=${DOCKER_CONFIG:-${HOME:-}/.docker}/cli-plugins; fi
  if [ "$folder" = /.docker/cli-plugins ]; then fail "HOME is not set, and the plug-in docker-compose would go below it: export HOME"; fi
  say "installing the plug-in docker-compose of Debian 13 into $folder: $1, and the stack is run by it"
  fetch_from_newer_debian docker-compose
  plugin=$(find "$scratch/unpacked" -path '*/cli-plugins/docker-compose' -type f -print -quit)
  [ -n "$plugin" ] || fail "the package docker-compose of Debian 13 holds no plug-in"
  mkdir -p "$folder"
  if [ -e "$folder/docker-compose" ]; then
    say "keeping the plug-in that was there as ${folder%/*}/docker-compose-$compose_version"
    mv "$folder/docker-compose" "${folder%/*}/docker-compose-$compose_version"
  fi
  install -m 755 "$plugin" "$folder/.docker-compose.new"
  mv "$folder/.docker-compose.new" "$folder/docker-compose"
}

# ------------------------------------------------------------------------------------------------------------- main

bring_tools() { # list, further arguments
  local list=$1
  shift
  if [ $# -gt 0 ]; then misused "unknown option: $1"; fi
  begin_work
  install_missing_tools "$list"
}

main() {
  PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # an ordinary user's and su's lack them
  called_as="$*"
  scripts=$(script_folder)
  checkout=${scripts%/*}
  local command=${1:-}
  if [ $# -gt 0 ]; then shift; fi
  case $command in
    python) bring_python "$@" ;;
    engine) bring_engine "$@" ;;
    image-tools) bring_tools "$IMAGE_TOOLS" "$@" ;;
    lab) bring_tools "$LAB_TOOLS" "$@" ;;
    -h | --help | help) usage ;;
    '') misused "a command is needed" ;;
    *) misused "unknown command: $command" ;;
  esac
}

main "$@"
