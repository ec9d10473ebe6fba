# Docker Compose as the engine's plug-in. Sourced after common.sh, packages.sh, newer_debian.sh and engine.sh.

readonly COMPOSE_AT_LEAST=2.23.1 # the first with `configs: content:`, which a remote engine needs

compose_version=''
compose_is_new_enough() {
  compose_version=$(timeout 30 docker compose version --short 2>/dev/null) || compose_version=''
  compose_version=${compose_version#v}
  [ -n "$compose_version" ] && at_least "$compose_version" "$COMPOSE_AT_LEAST"
}

at_least() { # version, minimum: three numbers each, the rest is ignored
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
    say "the engine $engine_version and Docker Compose $compose_version are ready"
    return
  fi
  local why="Docker Compose is missing"
  if [ -n "$compose_version" ]; then why="Docker Compose $compose_version is older than $COMPOSE_AT_LEAST"; fi
  require_debian "$why"
  begin_work
  if compose_is_new_enough; then return; fi # another process installed it meanwhile
  if is_root && [ "$release" = 13 ] && [ -z "$compose_version" ]; then
    refresh_package_lists
    say "installing docker-compose: $why, and the stack needs it"
    install_packages start docker-compose
  else
    install_plugin_beside "$why"
  fi
  compose_is_new_enough ||
    fail "$why, and docker does not use the installed plug-in: ${compose_version:-docker compose version fails}. \`docker info\` shows the folders of plug-ins."
  say "the engine $engine_version and Docker Compose $compose_version are ready"
}

install_plugin_beside() { # only the binary, into the plug-in folder of the machine or of this user
  local folder=/usr/local/lib/docker/cli-plugins plugin
  if ! is_root; then folder=${DOCKER_CONFIG:-${HOME:-}/.docker}/cli-plugins; fi
  if [ "$folder" = /.docker/cli-plugins ]; then fail "HOME is not set, and the plug-in docker-compose belongs below it. Run: export HOME=..."; fi
  say "installing the plug-in docker-compose of Debian 13 into $folder: $1, and the stack needs it"
  fetch_from_newer_debian docker-compose
  plugin=$(find "$scratch/unpacked" -path '*/cli-plugins/docker-compose' -type f -print -quit)
  [ -n "$plugin" ] || fail "the package docker-compose of Debian 13 contains no plug-in"
  mkdir -p "$folder"
  if [ -e "$folder/docker-compose" ]; then
    say "keeping the previous plug-in as ${folder%/*}/docker-compose-$compose_version"
    mv "$folder/docker-compose" "${folder%/*}/docker-compose-$compose_version"
  fi
  install -m 755 "$plugin" "$folder/.docker-compose.new"
  mv "$folder/.docker-compose.new" "$folder/docker-compose"
}
