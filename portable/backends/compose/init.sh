# Prepares folders, links and seeds before any app starts. What is there stays: nothing is removed, nothing that has content is
# changed, nothing is entered that the plan doesn't name. Killed at any moment, the next run completes it.
set -eu
umask 022

# plain FOLDER: whether the way there has no symlink. Apps own what lies in their folders, and this script is root: a link of theirs
# must not lead it into another app's.
plain() {
    [ "$(readlink -f "$1")" = "$1" ] && return 0
    echo "init: $1 is reached by a link: left alone" >&2
    return 1
}

# only FOLDER UID GID MODE [FILE...]: whether nothing lies in it but these.
only() {
    left=$(ls -A "$1")
    shift 4
    for file; do
        left=$(printf '%s\n' "$left" | grep -vxF -e "$file" || true)
    done
    [ -z "$left" ]
}

# own FOLDER UID GID MODE [FILE...]: a folder that the engine just made, root's and empty, gets its owner. The engine copies files of the
# plan into apps' folders before this script runs; those FILEs don't count.
own() {
    [ -d "$1" ] && [ ! -L "$1" ] || return 0
    [ "$(stat -c %u:%g "$1")" = 0:0 ] || return 0
    only "$@" || return 0
    chmod "$4" "$1"
    chown "$2:$3" "$1"
}

# folder FOLDER UID GID MODE: made where nothing lies yet, not even a link.
folder() {
    plain "${1%/*}" || return 0
    if [ ! -e "$1" ] && [ ! -L "$1" ]; then
        mkdir "$1"
    fi
    own "$@"
}

# link LINK TARGET: made where nothing lies yet; what a person put there stays.
link() {
    # An empty folder may lie where a mount once was; one with something in it is not ours to move, and without the link apps see no cloud.
    if [ -d "$1" ] && [ ! -L "$1" ]; then
        rmdir "$1" || {
            echo "init: $1 is in the way of a link to $2: move it away" >&2
            exit 1
        }
    fi
    if [ ! -e "$1" ] && [ ! -L "$1" ]; then
        ln -s "$2" "$1"
    elif [ "$(readlink "$1" || true)" != "$2" ]; then
        echo "init: $1 is something else than a link to $2: left alone" >&2
    fi
}

# seed FROM TO UID GID MODE: the app's first settings, where it has none.
seed() {
    if [ -e "$2" ] || [ -L "$2" ]; then
        return 0
    fi
    plain "${2%/*}" || return 0
    rm -f "$2.portable-new" # of a run that was killed, or a trap that an app laid
    cp "$1" "$2.portable-new"
    chmod "$5" "$2.portable-new"
    chown "$3:$4" "$2.portable-new"
    mv "$2.portable-new" "$2"
}

