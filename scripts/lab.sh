#!/usr/bin/env bash
# Installs the Debian 12 or 13 packages that the tests with real engines need, and prints each with the reason, one line each.
# Must not upgrade, remove or restart anything that is installed, nor touch the system's apt configuration.
set -euo pipefail
exec </dev/null

usage() {
  cat <<'HELP'
usage: scripts/lab.sh

Install the Debian packages that the tests with real engines need; a second run does nothing. Only root can install packages.
Use scripts/bootstrap.sh to install the engine itself and Python.

environment:
  PORTABLE_BOOTSTRAP_STATE   folder of the log (root: /var/lib/portable; others: ~/.local/state/portable)

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

readonly LAB_TOOLS="$IMAGE_TOOLS"'
fusermount3|fuse3|mounts a cloud in the FUSE tests
ip|iproute2|makes the closed networks of the tests
iptables|iptables|counts and drops packets in the leak tests
tcpdump|tcpdump|captures what leaves a sealed app
kubectl|kubectl kubernetes-client|sends manifests to a Kubernetes API server
ssh|openssh-client|connects to an engine by ssh://
sshd|openssh-server|is the server of the ssh:// tests (its service stays disabled)
shellcheck|shellcheck|checks the shell scripts
busybox|busybox-static busybox|runs scripts as small images do
smtpd|opensmtpd|is the mail server of the tests of notifications (its service stays disabled)
rsync|rsync|copies the files of a move
bindfs|bindfs|is a target that loses owners, modes or attributes
mkfs.btrfs|btrfs-progs|makes a target with BTRFS
mkfs.ext4|e2fsprogs|makes a target with few inodes and coarse times
mkfs.exfat|exfatprogs|makes a target without owners and links
mount.exfat-fuse|exfat-fuse|mounts it
'

main() {
  case ${1:-} in
    '') ;;
    -h | --help | help) usage; return ;;
    *) misused "unknown option: $1" ;;
  esac
  begin_work
  find_missing_tools "$LAB_TOOLS"
  if [ ${#packages[@]} = 0 ]; then return; fi
  local index asked=("${packages[@]}")
  for index in "${!packages[@]}"; do
    if [ "${packages[index]}" = openssh-server ] && would_change openssh-server; then
      packages[index]=libwrap0
      reasons[index]="installing libwrap0: a library of sshd"
      unpack_ssh_server
    fi
  done
  install_tools
  keep_servers_off "${asked[@]}"
}

# The server's package requires the client of its own version. The tests need only its program, so the client stays as it is.
unpack_ssh_server() {
  say "unpacking sshd into /usr/local/sbin instead: its package would upgrade installed packages"
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
  if ! getent passwd sshd >/dev/null; then # the user that it runs as before authentication
    logged useradd --system --no-create-home --home-dir /run/sshd --shell /usr/sbin/nologin sshd || fail "cannot add the user sshd"
  fi
}

keep_servers_off() { # the tests start their own servers, so this script must not open a port on the machine
  local package
  has systemctl || return 0
  for package in "$@"; do
    case $package in
      openssh-server) logged systemctl disable --now ssh.service ssh.socket || true ;;
      opensmtpd) logged systemctl disable --now opensmtpd.service || true ;;
    esac
  done
}

main "$@"
