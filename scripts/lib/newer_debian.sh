# One package of Debian 13 on an older Debian, by a private apt, without root. Sourced after common.sh and packages.sh.

readonly PLUGIN_SUITE=trixie # Debian 13: its docker-compose needs libc6 >= 2.34 only, which Debian 12 has

# The machine's own Debian mirrors from its apt sources; those known to be Debian's first.
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

# A private apt beside the system's, with its own sources, lists and cache, the machine's proxy settings and Debian's keys.
fetch_from_newer_debian() { # package -> $scratch/unpacked; no root needed
  local package=$1 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  temporary_folder
  mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial" "$scratch/unpacked" "$scratch/packages"
  if is_root; then chown _apt "$scratch/packages"; fi # apt downloads as an unprivileged user
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
  fail "cannot download $package of Debian 13 from this machine's Debian mirrors"
}
