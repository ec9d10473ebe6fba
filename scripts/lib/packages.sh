# Debian packages: find missing tools and install them, as root only, without changing installed packages. Sourced after common.sh.

readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='# portable bootstrap, for the time of one installation'

# Tools as lines: command|packages, of which the first available one is installed|reason. A tool is installed if its command exists.
readonly IMAGE_TOOLS='
mmdebstrap|mmdebstrap|builds a base image from Debian packages where no image registry answers
'

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
    refuse "$1. This script installs packages on Debian 12 and 13 only, and this is ${distribution:-an unknown system} ${release:-of unknown version}. Install it yourself, then run this script again."
}

require_root_for_packages() { # $1: what is missing
  is_root || refuse "$1. Run once as root:
    $(as_root_command)
then run this script again."
}

as_root_command() {
  local prefix=''
  if has sudo; then prefix='sudo '; fi
  printf '%s%s/%s%s' "$prefix" "$scripts" "$script_name" "${called_as:+ $called_as}"
}

apt_options=(-o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300)

refresh_package_lists() { # at most once, and only when something is to be installed
  if [ -n "${lists_are_fresh:-}" ]; then return; fi
  lists_are_fresh=yes
  logged apt-get "${apt_options[@]}" update || warn "apt-get update failed; continuing with the existing package lists"
}

debian_has() { # whether a package can be installed
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

# apt would upgrade or remove packages if the new ones require it: the machine's owner decides on that.
refuse_upgrades() {
  local changes
  planned_changes "$@"
  [ -z "$changes" ] || refuse "installing $* would change installed packages:
$changes
Nothing was changed. If you agree, run: apt-get install --no-install-recommends $*"
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

install_packages() { # $1: "hold" prevents services of the packages from starting; then package names
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

hold_services() { # Debian's policy-rc.d; a file of an administrator is not changed
  if [ -e "$POLICY" ] && ! grep -qF "$POLICY_MARK" "$POLICY"; then return; fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
  chmod 755 "$POLICY"
  holding_services=yes
}

release_services() {
  rm -f "$POLICY"
  holding_services=''
}

find_missing_tools() { # lines "command|packages|reason" -> $packages, and a sentence for each in $reasons; refused without root or Debian
  local command choices why missing=()
  packages=() reasons=()
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
    package=$(first_debian_has ${line%%|*}) || { show_log; fail "Debian has none of these packages: ${line%%|*} (${line#*|})"; }
    packages+=("$package")
    reasons+=("installing $package: ${line#*|}")
  done
}

# One package that would change installed ones must not keep all others away. Nothing is printed as installed that is not.
install_tools() { # installs $packages with $reasons; refuses in the end those that would change installed packages
  local index changes='' conflicts=() all_changes=()
  if would_change "${packages[@]}"; then
    for index in "${!packages[@]}"; do
      planned_changes "${packages[index]}"
      if [ -z "$changes" ]; then continue; fi
      conflicts+=("${packages[index]}")
      all_changes+=("$changes")
      unset 'packages[index]' 'reasons[index]'
    done
  fi
  if [ ${#packages[@]} != 0 ]; then
    say_each "${reasons[@]}"
    install_packages hold "${packages[@]}"
  fi
  [ ${#conflicts[@]} = 0 ] || refuse "not installed: ${conflicts[*]}, since this would change installed packages:
$(printf '%s\n' "${all_changes[@]}" | sort -u)
If you agree, run: apt-get install --no-install-recommends ${conflicts[*]}"
}
