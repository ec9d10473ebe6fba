# The project's own Python environment, .venv, from the lock files. Sourced after common.sh and packages.sh.

# .venv is reused while the digest of its lock files is the same. A dev environment serves both flavours.
python_digest() { # lock files... -> digest
  (cd "$checkout" && { pwd -P; sha256sum "$@" pyproject.toml; }) | sha256sum
}

stamp_matches() { # flavour digest
  local digest
  [ -r "$checkout/.venv/.bootstrap-$1" ] && [ -x "$checkout/.venv/bin/python" ] &&
    read -r digest <"$checkout/.venv/.bootstrap-$1" && [ "$digest" = "${2%% *}" ]
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
    [ -r "$checkout/$lock" ] || fail "$checkout/$lock is missing: check that the checkout is complete"
  done
  local run_digest dev_digest=none
  run_digest=$(python_digest requirements.lock)
  if [ -r "$checkout/requirements-dev.lock" ]; then
    dev_digest=$(python_digest requirements.lock requirements-dev.lock)
  fi
  if stamp_matches dev "$dev_digest"; then return; fi
  if [ $flavour = run ] && stamp_matches run "$run_digest"; then return; fi

  begin_work "$checkout"
  if [ $flavour = run ] && stamp_matches run "$run_digest"; then return; fi # another process created it meanwhile
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
  if has_build_backend; then isolation=(--no-build-isolation); fi # prefer the locked build back end to a downloaded one
  if ! (cd "$checkout" && logged "${pip[@]}" install --no-deps "${isolation[@]}" -e .); then
    show_log
    fail "pip could not install the project itself"
  fi
}

has_build_backend() { # with all its requirements
  (cd "$checkout" && .venv/bin/python -c '
import importlib, importlib.metadata, re, tomllib
system = tomllib.load(open("pyproject.toml", "rb"))["build-system"]
backend = importlib.import_module(system["build-backend"].split(":")[0])
for need in system["requires"] + getattr(backend, "get_requires_for_build_editable", list)():
    importlib.metadata.version(re.match(r"[\w.-]+", need)[0])
') >>"$log" 2>&1
}

# A Python is usable if it can create an environment with pip: Debian's may lack venv, another may lack ensurepip.
make_environment() {
  local python
  for python in ${PORTABLE_PYTHON:+"$PORTABLE_PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 /usr/bin/python3; do
    if make_environment_with "$python"; then
      say "created .venv with $python ($("$checkout/.venv/bin/python" -V)): the project's own environment"
      return
    fi
  done
  require_debian "no Python >= 3.11 here can create a virtual environment"
  require_root_for_packages "no Python >= 3.11 here can create a virtual environment"
  refresh_package_lists
  say_each "installing python3: the project is written in it" "installing python3-venv: keeps the project's packages apart from the system's"
  install_packages start python3 python3-venv
  make_environment_with /usr/bin/python3 || { show_log; fail "Debian's Python cannot create a virtual environment in $checkout/.venv"; }
  say "created .venv with /usr/bin/python3 ($("$checkout/.venv/bin/python" -V)): the project's own environment"
}

make_environment_with() {
  has "$1" || return 1
  logged "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || return 1
  logged "$1" -m venv --clear "$checkout/.venv" && logged "$checkout/.venv/bin/python" -c 'import pip'
}
