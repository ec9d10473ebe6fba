# The container engine: use one that answers as it is, else install and start one. Sourced after common.sh and packages.sh.

readonly ENGINE_START_SECONDS=90
readonly ENGINE_STOP_SECONDS=60
readonly DOCKERD_PID_FILE=/var/run/docker.pid
readonly CONTAINERD_PID_FILE=/var/run/docker/containerd/containerd.pid

engine_version='' engine_complaint=''
engine_answers() {
  if ! has docker; then
    engine_complaint='the docker command is not installed'
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

# If a person configured an engine that does not answer, do not silently start another one.
require_local_engine() {
  local address
  address=$(engine_address)
  case $address in
    '' | unix:///var/run/docker.sock | unix:///run/docker.sock) ;;
    *) fail "the engine at $address (from DOCKER_HOST or the docker context) does not answer: $engine_complaint" ;;
  esac
}

# A container with the host's socket, or a machine that uses a remote engine, needs only the docker command.
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
    say "installing docker-cli: controls the engine at $address"
    install_packages start docker-cli
  else
    say "installing the docker command of Debian 13 into /usr/local/bin: controls the engine at $address"
    fetch_from_newer_debian docker-cli
    install -m 755 "$scratch/unpacked/usr/bin/docker" /usr/local/bin/docker
    hash -r
  fi
  if [ "${address%%:*}" = ssh ] && ! has ssh; then
    say "installing openssh-client: connects to the engine at $address"
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
    refuse "permission denied: $me may not use the container engine of this machine. Run once as root:
    usermod -aG docker $me
then log in again. Members of the group docker have all rights of root on this machine. If that is too much,
run a rootless engine of your own, or use another one: export DOCKER_HOST=ssh://user@host"
  fi
  if ! has dockerd; then require_debian "no container engine answers here"; fi
  refuse "no container engine answers here ($engine_complaint), and only root can install or start one. Run once as root:
    $(as_root_command)
    usermod -aG docker $me
then log in again. Members of the group docker have all rights of root on this machine. If that is too much,
run a rootless engine of your own, or use another one: export DOCKER_HOST=ssh://user@host"
}

install_engine() {
  local packages=() reasons=()
  if ! has dockerd; then
    packages+=(docker.io)
    reasons+=("installing docker.io: no container engine answers here")
  fi
  if ! has iptables; then
    packages+=(iptables)
    reasons+=("installing iptables: the engine creates the containers' networks with it")
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
  if engine_answers; then # the package started it, so this script does not stop it
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
    fail "the engine did not start: $engine_complaint"
  fi
  pid=$(live_pid_of dockerd "$DOCKERD_PID_FILE") || fail "the engine answers but wrote no $DOCKERD_PID_FILE"
  printf '%s %s\n' "$pid" "$(start_time_of "$pid")" >"$state/engine.started"
  say "the engine $engine_version answers"
}

wait_for_engine() { # stop waiting if its process ends before it answers
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

live_pid_of() { # program, pid file -> the pid, if that process runs that program
  local pid='' name
  [ -r "$2" ] || return 1
  read -r pid <"$2" || true # the file has no newline
  [[ $pid =~ ^[0-9]+$ ]] && alive "$pid" && read -r name <"/proc/$pid/comm" && [ "$name" = "$1" ] && printf '%s' "$pid"
}

alive() { # false for a zombie, which nobody reaps in some containers
  local line
  [ -r "/proc/$1/stat" ] && read -r line <"/proc/$1/stat" && [[ ${line##*) } != [ZX]* ]]
} 2>/dev/null

start_time_of() { # ticks since boot; together with the pid it identifies one process
  local line fields
  read -r line <"/proc/$1/stat" && read -ra fields <<<"${line##*) }" && printf '%s' "${fields[19]}"
}

# An engine that was killed leaves a containerd and pid files behind; another process may have such a pid by now.
clear_leftovers() {
  local pid
  rm -f "$DOCKERD_PID_FILE"
  if pid=$(live_pid_of containerd "$CONTAINERD_PID_FILE"); then
    say "stopping containerd (process $pid), which a killed engine left behind"
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

mount_control_groups() { # elsewhere systemd does this; the engine cannot run containers without them
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
  local pid start_time
  prepare_state_folder
  if ! [ -r "$state/engine.started" ]; then
    say "this script has started no engine; nothing to stop"
    return
  fi
  is_root || refuse "only root can stop the engine"
  begin_work
  read -r pid start_time <"$state/engine.started"
  if [ "$pid" = systemd ]; then
    say "stopping the service docker, which this script started"
    logged systemctl stop docker.service docker.socket || { show_log; fail "systemd could not stop docker"; }
  elif alive "$pid" && [ "$(start_time_of "$pid")" = "$start_time" ]; then
    say "stopping the engine (process $pid), which this script started"
    kill "$pid"
    await_end "$pid" "$ENGINE_STOP_SECONDS" || fail "the engine (process $pid) still runs after $ENGINE_STOP_SECONDS s; its log: $state/dockerd.log"
  else
    say "the engine that this script started has ended already"
  fi
  rm -f "$state/engine.started"
}
