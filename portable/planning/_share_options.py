"""Mount options of SMB and NFS, and what those that matter do to the apps of a share.

Sources: mount.cifs(8), nfs(5), mount(8), and the parsers of Linux: fs/smb/client/fs_context.c and fs/nfs/fs_context.c.
"""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from portable.model.findings import Class

Weight = Class | Literal["mistake"]


class OptionRow(msgspec.Struct, frozen=True, kw_only=True):
    """An option that changes what apps can rely on; the first row that matches decides."""

    names: tuple[str, ...]
    weight: Weight
    effect: str
    """The consequence, as a clause."""
    remedy: str
    value: str | None = None
    """A pattern of the whole value; None for any value, or none."""
    only_state: bool = False
    """It matters only for state and databases."""

    def matches(self, name: str, value: str) -> bool:
        """Whether the row is about this option."""
        return name in self.names and (self.value is None or re.fullmatch(self.value, value) is not None)


LOGIN_OPTIONS = frozenset(
    (
        *("cred", "credential", "credentials", "pass", "pass2", "passfd", "passwd", "password", "password2", "pw", "secret", "token"),
        *("user", "username", "userpass"),
    )
)
"""Options that hold a login, or the path of a file with one."""

_FSTAB = ("_netdev", "auto", "defaults", "fail", "group", "noauto", "nofail", "nouser", "owner", "users")
_ASKS = "each access asks the server, which is very slow"
_COMMON = (
    OptionRow(names=("ro",), weight="mistake", effect="nothing can be written there, not even the folders that apps expect", remedy="`rw`"),
    OptionRow(
        names=("bind", "move", "rbind", "remount"),
        weight="mistake",
        effect="it changes another mount instead of making this one",
        remedy="",
    ),
    OptionRow(names=_FSTAB, weight="cosmetic", effect="it is for /etc/fstab and has no effect in a cluster", remedy=""),
    OptionRow(
        names=("noexec",), weight="function", effect="plug-ins and programs in an app's state cannot run", remedy="`exec`", only_state=True
    ),
    OptionRow(names=("actimeo", "acregmax"), value="0", weight="function", effect=_ASKS, remedy="leave it out"),
    OptionRow(names=("sync", "dirsync"), weight="function", effect="each write waits for the server, which is very slow", remedy="`async`"),
    OptionRow(
        names=("actimeo", "acregmax", "acdirmax"),
        value=r"[0-9]{3,}|[7-9][0-9]|6[1-9]",
        weight="function",
        effect="apps see files of other apps and computers only after minutes",
        remedy="`actimeo=60` or less",
    ),
)
_LATE = "changes of another pod or computer are not seen, and two writers damage a file"
_LOCAL_LOCKS = "file locks hold on one node only, so two nodes damage a database"

SMB: tuple[OptionRow, ...] = (
    OptionRow(names=("cache",), value="loose|singleclient|ro|yes", weight="data", effect=_LATE, remedy="`cache=strict`"),
    OptionRow(names=("cache",), value="none", weight="function", effect="each read waits for the server", remedy="`cache=strict`"),
    OptionRow(names=("cache",), value="(?!strict$).*", weight="mistake", effect="the mount fails", remedy="`cache=strict`"),
    OptionRow(names=("directio", "forcedirectio"), weight="function", effect="files cannot be mapped into memory", remedy="`cache=strict`"),
    OptionRow(names=("nobrl", "nolock"), weight="data", effect=_LOCAL_LOCKS, remedy="block storage for state", only_state=True),
    OptionRow(
        names=("nostrictsync",), weight="data", effect="written data is reported as safe before the server has it", remedy="`strictsync`"
    ),
    OptionRow(
        names=("noserverino",),
        weight="function",
        effect="two hard links show different inode numbers, so nobody can tell that they are one file",
        remedy="`serverino`",
    ),
    OptionRow(
        names=("vers",), value="1|1\\.0", weight="security", effect="SMB 1 is insecure, and servers refuse it", remedy="`vers=3.1.1`"
    ),
    OptionRow(
        names=("vers",), value="2|2\\.0|2\\.1", weight="security", effect="SMB 2 has no encryption on the network", remedy="`vers=3.1.1`"
    ),
    OptionRow(
        names=("vers",),
        value=r"(?!(3|3\.0|3\.0\.2|3\.02|3\.1\.1|3\.11|3any|default)$).*",
        weight="mistake",
        effect="there is no such version, and the mount fails",
        remedy="`vers=3.1.1`",
    ),
    OptionRow(names=("soft",), weight="function", effect="apps get errors instead of waiting while the server is away", remedy="`hard`"),
    OptionRow(names=("guest",), weight="security", effect="the share is open to everybody on its network", remedy="`login` with a user"),
    OptionRow(
        names=("sec",), value="none", weight="security", effect="the share is open to everybody on its network", remedy="`sec=ntlmssp`"
    ),
    OptionRow(names=("sec",), value="lanman|ntlmi?", weight="mistake", effect="Linux no longer supports it", remedy="`sec=ntlmssp`"),
    OptionRow(
        names=("sec",), value="krb5i?", weight="function", effect="each node needs a Kerberos ticket of its own", remedy="`sec=ntlmssp`"
    ),
    OptionRow(names=("sec",), value="(?!ntlmssp|ntlmv2).*", weight="mistake", effect="the mount fails", remedy="`sec=ntlmssp`"),
    OptionRow(
        names=("multiuser",),
        weight="mistake",
        effect="each user of the node needs a login in its keyring, which containers do not have",
        remedy="",
    ),
    OptionRow(
        names=("cifsacl", "modefromsid", "idsfromsid"),
        weight="function",
        effect="the server's access lists decide about owners and modes, not the options `uid` and `gid`",
        remedy="`uid`, `gid`, `file_mode` and `dir_mode`",
    ),
    OptionRow(names=("dynperm",), weight="function", effect="changed modes are forgotten at any time", remedy=""),
    OptionRow(names=("nocase", "ignorecase"), weight="function", effect="names that differ only in case are one file", remedy=""),
    OptionRow(
        names=("nomapposix", "mapchars", "nomapchars"),
        weight="function",
        effect="names with characters such as `:` and `?` cannot be created, or look different to other computers",
        remedy="`mapposix`, the default",
    ),
    OptionRow(
        names=("iocharset",),
        value="(?!utf-?8$).*",
        weight="function",
        effect="names with other characters are damaged",
        remedy="`iocharset=utf8`",
    ),
    OptionRow(
        names=("forcemand", "forcemandatorylock"),
        weight="function",
        effect="a locked file cannot even be read by others",
        remedy="",
        only_state=True,
    ),
    OptionRow(
        names=("file_mode",), value="(?!0*[67][0-7]{2}$).*", weight="function", effect="apps cannot write files", remedy="`file_mode=0664`"
    ),
    OptionRow(
        names=("dir_mode",), value="(?!0*7[0-7]{2}$).*", weight="function", effect="apps cannot use folders", remedy="`dir_mode=0775`"
    ),
    OptionRow(
        names=("file_mode", "dir_mode"),
        value="0*[67][0-7][2367]",
        weight="security",
        effect="every user of the node can change the files",
        remedy="a mode that ends with 4 or 5",
    ),
    OptionRow(names=("snapshot",), weight="mistake", effect="an old state of the share cannot be written", remedy=""),
    OptionRow(names=("prefixpath",), weight="function", effect="it is another folder than `export`", remedy="`export`"),
    OptionRow(
        names=("source", "unc", "target"), weight="mistake", effect="it is another share than `server` and `export`", remedy="`export`"
    ),
    OptionRow(names=("addr", "ip"), weight="function", effect="it is another server than `server`", remedy="`server`"),
    *_COMMON,
)

_UDP = "fragments of large packets can be mixed up, which damages files; newer servers refuse it"
NFS: tuple[OptionRow, ...] = (
    OptionRow(
        names=("soft", "softerr"),
        weight="data",
        effect="a write that the server does not answer in time is lost, and most apps do not notice",
        remedy="`hard`",
    ),
    OptionRow(names=("nolock",), weight="data", effect=_LOCAL_LOCKS, remedy="`lock`"),
    OptionRow(names=("local_lock",), value="all|posix|flock", weight="data", effect=_LOCAL_LOCKS, remedy="`local_lock=none`"),
    OptionRow(names=("nocto",), weight="data", effect=_LATE, remedy="`cto`"),
    OptionRow(
        names=("nosharecache",), weight="data", effect="a second mount of the server has a cache of its own, and " + _LATE, remedy=""
    ),
    OptionRow(names=("vers", "nfsvers"), value="2", weight="mistake", effect="Linux no longer supports NFS 2", remedy="`nfsvers=4.2`"),
    OptionRow(names=("v2",), weight="mistake", effect="Linux no longer supports NFS 2", remedy="`nfsvers=4.2`"),
    OptionRow(
        names=("vers", "nfsvers"),
        value="3",
        weight="function",
        effect="file locks need the service rpc.statd on each node, and open ports to the server",
        remedy="`nfsvers=4.2`",
    ),
    OptionRow(names=("v3",), weight="function", effect="file locks need the service rpc.statd on each node", remedy="`nfsvers=4.2`"),
    OptionRow(
        names=("vers", "nfsvers"),
        value=r"(?!4(\.[012])?$).*",
        weight="mistake",
        effect="there is no such version, and the mount fails",
        remedy="`nfsvers=4.2`",
    ),
    OptionRow(names=("udp",), weight="data", effect=_UDP, remedy="`proto=tcp`"),
    OptionRow(names=("proto", "mountproto"), value="udp6?", weight="data", effect=_UDP, remedy="`proto=tcp`"),
    OptionRow(names=("bg",), weight="mistake", effect="apps start on an empty folder while the server is away", remedy="`fg`"),
    OptionRow(names=("noac",), weight="function", effect=_ASKS, remedy="`ac`"),
    OptionRow(names=("lookupcache",), value="none", weight="function", effect=_ASKS, remedy="`lookupcache=all`"),
    OptionRow(
        names=("lookupcache",),
        value="(?!(all|none|pos|positive)$).*",
        weight="mistake",
        effect="the mount fails",
        remedy="`lookupcache=all`",
    ),
    OptionRow(names=("intr", "nointr"), weight="cosmetic", effect="Linux ignores it", remedy=""),
    OptionRow(
        names=("noresvport",), weight="function", effect="most servers refuse ports above 1023 (`secure` exports)", remedy="`resvport`"
    ),
    OptionRow(names=("sec",), value="krb5[ip]?", weight="function", effect="each node needs a Kerberos key of its own", remedy="`sec=sys`"),
    OptionRow(names=("sec",), value="none|null", weight="function", effect="all apps are the user nobody", remedy="`sec=sys`"),
    OptionRow(names=("sec",), value="(?!sys$).*", weight="mistake", effect="the mount fails", remedy="`sec=sys`"),
    OptionRow(
        names=("uid", "gid", "file_mode", "dir_mode", "umask", "forceuid", "forcegid", "noperm"),
        weight="mistake",
        effect="NFS does not have this option, so the mount fails; the NFS server sets owners and modes",
        remedy="`chown` on the server",
    ),
    OptionRow(
        names=("wsize", "rsize"),
        value="[0-9]{1,4}",
        weight="function",
        effect="small packets are very slow",
        remedy="the server's own size",
    ),
    OptionRow(names=("addr", "mounthost"), weight="function", effect="it is another server than `server`", remedy="`server`"),
    *_COMMON,
)

_ANY_FINE = frozenset(
    (
        *("async", "atime", "context", "defcontext", "dev", "diratime", "exec", "fsc", "fscontext", "hard", "lazytime", "loud", "mand"),
        *("noatime", "nodev", "nodiratime", "nolazytime", "nomand", "norelatime", "nostrictatime", "nosuid", "relatime", "rootcontext"),
        *("rsize", "rw", "seclabel", "silent", "strictatime", "suid", "vers", "wsize", "acregmin", "acregmax", "acdirmin", "acdirmax"),
        *("actimeo", "port", "retrans", "sec", "rdma", "comment", "acl", "noacl"),
    )
)
FINE: Mapping[str, frozenset[str]] = {
    "smb": _ANY_FINE
    | {
        *("backupgid", "backupuid", "brl", "bsize", "cache", "closetimeo", "compress", "cruid", "dir_mode", "dom", "domain", "domainauto"),
        *("echo_interval", "esize", "file_mode", "forcegid", "forceuid", "gid", "handlecache", "handletimeout", "iocharset", "linux"),
        *("mapposix", "max_cached_dirs", "max_channels", "max_credits", "mfsymlinks", "min_enc_offload", "multichannel", "netbiosname"),
        *("nativesocket", "noautotune", "noblocksend", "nodelete", "nodfs", "noforcegid", "noforceuid", "nohandlecache", "nomultichannel"),
        *("noperm", "nopersistenthandles", "noposix", "noposixpaths", "noresilienthandles", "nosetuids", "nosharesock", "nosparse"),
        *("nounix", "nouser_xattr", "perm", "persistenthandles", "posix", "posixpaths", "rasize", "reparse", "resilienthandles"),
        *("seal", "serverino", "servern", "servernetbiosname", "setuids", "sfu", "sign", "sloppy", "srcaddr", "strictsync", "symlink"),
        *("symlinkroot", "tcpnodelay", "tlink_timeout", "uid", "unicode", "unix", "upcall_target", "user_xattr", "witness", "workgroup"),
    },
    "nfs": _ANY_FINE
    | {
        *("ac", "clientaddr", "cto", "fg", "local_lock", "lock", "lookupcache", "max_connect", "migration", "minorversion", "mountport"),
        *("mountproto", "mountvers", "namlen", "nconnect", "nfsvers", "nomigration", "nordirplus", "norexpire", "nosharetransport"),
        *("notrunkdiscovery", "proto", "rdirplus", "resvport", "retry", "sharecache", "sharetransport", "sloppy", "softreval"),
        *("nosoftreval", "tcp", "timeo", "trunkdiscovery", "v4", "v4.0", "v4.1", "v4.2", "write", "xprtsec", "nfsv4"),
    },
}
"""Options without a consequence for apps."""
ROWS: Mapping[str, tuple[OptionRow, ...]] = {"smb": SMB, "nfs": NFS}


def known_names(protocol: str) -> frozenset[str]:
    """Every option of a protocol."""
    return FINE[protocol].union(*(row.names for row in ROWS[protocol] if row.effect[:3] != "NFS"))


def row_of(protocol: str, name: str, value: str) -> OptionRow | None:
    """The row that is about this option; None if it has no consequence, or is unknown."""
    return next((row for row in ROWS[protocol] if row.matches(name, value)), None)
