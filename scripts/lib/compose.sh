# Docker Compose as the engine's plug-in. Sourced after common.sh, packages.sh, newer_debian.sh and engine.sh.

readonly COMPOSE_AT_LEAST=2.23.1 # the first with `configs: content:`, which a remote engine needs

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
