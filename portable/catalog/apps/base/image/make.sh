#!/bin/sh
# make.sh [FILE]: writes a root file system of Debian 13 (a tar) to FILE, or to standard output.
#
# It stands in the place of docker.io/library/debian:trixie-slim where no registry answers:
#     ./make.sh | docker import --change 'CMD ["bash"]' - debian:trixie-slim
# The same as in the upstream image: minbase plus what `apt-get` needs, no manuals, no docs, no foreign languages, no service
# starts, no package cache. Different: contrib is enabled, and the mirror is the one that this machine's own apt uses, so that
# `apt-get` works inside builds exactly where it works outside.
#
# Same mirror state and same SOURCE_DATE_EPOCH, same bytes. Needs root, mmdebstrap and a keyring that knows trixie.
# shellcheck disable=SC2016 # what is quoted is for apt and mmdebstrap, not for this shell
set -eu

suite=trixie
: "${SOURCE_DATE_EPOCH:=1754697600}" # 2025-08-09, the day of the release; only newer files are set back to it
export SOURCE_DATE_EPOCH

output=${1:--}
command -v mmdebstrap >/dev/null || {
    echo "make.sh: mmdebstrap is missing: apt-get install mmdebstrap" >&2
    exit 1
}

# The archive this machine installs Debian from: the first source that has a suite of Debian's main archive. None found (a
# machine that is no Debian): mmdebstrap's own default. The security archive is taken over in the same way.
targets() { apt-get indextargets "$@" --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null || true; }
mirror=$(targets | sed -n 's/^Debian|//p' | head -n 1)
security=$(targets | sed -n 's/^Debian-Security|//p' | head -n 1)
if [ -z "$mirror" ]; then # lists were never fetched, so labels are unknown: go by the path
    mirror=$(targets --no-release-info | sed -n 's/^[^|]*|\(.*\/debian\/*\)$/\1/p' | head -n 1)
    security=$(targets --no-release-info | sed -n 's/^[^|]*|\(.*\/debian-security\/*\)$/\1/p' | head -n 1)
fi

# A proxy that only apt knows of is handed to mmdebstrap, and is not written into the image.
if [ -z "${http_proxy:-}" ] && command -v apt-config >/dev/null; then
    eval "$(apt-config shell apt_proxy Acquire::http::Proxy 2>/dev/null || true)"
    if [ -n "${apt_proxy:-}" ] && [ "$apt_proxy" != DIRECT ]; then
        export http_proxy="$apt_proxy"
    fi
fi

sources() {
    if [ -z "$mirror" ]; then
        return
    fi
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    printf 'Types: deb\nURIs: %s\nSuites: %s %s-updates\nComponents: main contrib\nSigned-By: %s\n' \
        "$mirror" "$suite" "$suite" "$keyring"
    if [ -n "$security" ]; then
        printf '\nTypes: deb\nURIs: %s\nSuites: %s-security\nComponents: main contrib\nSigned-By: %s\n' \
            "$security" "$suite" "$keyring"
    fi
}

include=
case "$mirror$security" in
*https:*) include=ca-certificates ;; # else apt inside could not check the mirror's certificate
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sources >"$work/debian.sources"
mkdir "$work/dpkg" "$work/apt"
cat >"$work/dpkg/slim" <<'END'
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/groff/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/linda/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
END
cat >"$work/apt/slim" <<'END'
Acquire::GzipIndexes "true";
Acquire::Languages "none";
Apt::AutoRemove::SuggestsImportant "false";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
END
printf '#!/bin/sh\nexit 101\n' >"$work/policy-rc.d"
chmod 755 "$work/policy-rc.d"

set -- --quiet --variant=minbase --format=tar --components=main,contrib \
    --dpkgopt="$work/dpkg/slim" \
    --skip=output/dev \
    --customize-hook="copy-in $work/policy-rc.d /usr/sbin" \
    --customize-hook="upload $work/apt/slim /etc/apt/apt.conf.d/docker-slim" \
    --customize-hook='cd "$1/etc/apt/sources.list.d" && if [ -e 0000debian.sources ]; then mv 0000debian.sources debian.sources; fi' \
    --customize-hook='rm -f "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/etc/machine-id "$1"/var/log/*.log "$1"/var/log/apt/* "$1"/var/cache/ldconfig/aux-cache'
if [ -n "$include" ]; then
    set -- "$@" --include="$include"
fi
if [ -s "$work/debian.sources" ]; then
    mmdebstrap "$@" "$suite" "$output" "$work/debian.sources"
else
    mmdebstrap "$@" "$suite" "$output"
fi
