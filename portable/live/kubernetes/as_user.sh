# Runs a command as a user and group with no further groups: as_user.sh UID GID COMMAND [ARGUMENT...]. Images have different programs for
# this; exit code 126 says that this one has none.
uid=$1 gid=$2
shift 2
for tool in setpriv s6-applyuidgid su-exec gosu chroot; do
    command -v "$tool" >/dev/null 2>&1 || continue
    case $tool in
        setpriv)
            # BusyBox has a program of this name that cannot change the user.
            setpriv --reuid "$uid" --regid "$gid" --clear-groups true 2>/dev/null || continue
            exec setpriv --reuid "$uid" --regid "$gid" --clear-groups "$@"
            ;;
        s6-applyuidgid)
            exec s6-applyuidgid -u "$uid" -g "$gid" -G "$gid" "$@"
            ;;
        chroot)
            chroot --userspec="$uid:$gid" / true 2>/dev/null || continue
            exec chroot --userspec="$uid:$gid" --groups="" / "$@"
            ;;
        *)
            exec "$tool" "$uid:$gid" "$@"
            ;;
    esac
done
echo "the image has no program that runs a command as another user (setpriv, s6-applyuidgid, su-exec, gosu, chroot)"
exit 126
