# Prepares folders, links and seeds before any app starts. It deletes nothing, changes nothing that has content, and enters only folders
# that the plan names. If it is killed at any moment, the next run completes it.
set -eu
umask 022

# plain FOLDER: whether its path has no symbolic link. Apps own the content of their folders, and this script runs as root: an app's
# link must not lead it into another app's folder.
plain() {
    [ "$(readlink -f "$1")" = "$1" ] && return 0
    echo "init: the path of $1 has a symbolic link: skipped" >&2
    return 1
}

# only FOLDER UID GID MODE [FILE...]: whether the folder contains nothing but these files.
only() {
    left=$(ls -A "$1")
    shift 4
    for file; do
        left=$(printf '%s\n' "$left" | grep -vxF -e "$file" || true)
    done
    [ -z "$left" ]
}

# own FOLDER UID GID MODE [FILE...]: sets the owner of a folder that the engine just created: it belongs to root and is empty. The engine
# copies files of the plan into apps' folders before this script runs; these FILEs are ignored.
own() {
    [ -d "$1" ] && [ ! -L "$1" ] || return 0
    [ "$(stat -c %u:%g "$1")" = 0:0 ] || return 0
    only "$@" || return 0
    chmod "$4" "$1"
    chown "$2:$3" "$1"
}

# folder FOLDER UID GID MODE: creates the folder if nothing exists there, not even a link.
folder() {
    plain "${1%/*}" || return 0
    if [ ! -e "$1" ] && [ ! -L "$1" ]; then
        mkdir "$1"
    fi
    own "$@"
}

# link LINK TARGET: creates the link if nothing exists there; what a person put there stays.
link() {
    # An empty folder may be left from an old mount. One with content belongs to a person; without the link, apps see no cloud.
    if [ -d "$1" ] && [ ! -L "$1" ]; then
        rmdir "$1" || {
            echo "init: $1 is a folder with content instead of a link to $2: move it away" >&2
            exit 1
        }
    fi
    if [ ! -e "$1" ] && [ ! -L "$1" ]; then
        ln -s "$2" "$1"
    elif [ "$(readlink "$1" || true)" != "$2" ]; then
        echo "init: $1 is not a link to $2: skipped" >&2
    fi
}

# seed FROM TO UID GID MODE: copies the app's first settings if it has none.
seed() {
    if [ -e "$2" ] || [ -L "$2" ]; then
        return 0
    fi
    plain "${2%/*}" || return 0
    rm -f "$2.portable-new" # from a killed run, or a trap of an app
    cp "$1" "$2.portable-new"
    chmod "$5" "$2.portable-new"
    chown "$3:$4" "$2.portable-new"
    mv "$2.portable-new" "$2"
}

