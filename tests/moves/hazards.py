"""A tree of hazards: every kind of entry that a move has lost somewhere, each kind by name."""

import os
import random
import socket
import sqlite3
import stat
import struct
from collections.abc import Callable
from pathlib import Path

from portable.migrate.personality import _ACL

KINDS: dict[str, Callable[[Path], None]] = {}
_SECOND = 1_000_000_000


def kind(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Register a kind: the function fills an empty folder of its own."""
    KINDS[make.__name__] = make
    return make


def write(path: Path | bytes, content: bytes = b"content") -> None:
    """Write a file whose name may be any bytes."""
    with open(path, "wb") as file:  # noqa: PTH123 - a path of bytes
        file.write(content)


def at(path: Path, time: int) -> None:
    os.utime(path, ns=(time, time), follow_symlinks=False)


@kind
def empty_file(d: Path) -> None:
    write(d / "empty", b"")


@kind
def empty_folder(d: Path) -> None:
    (d / "a" / "b").mkdir(parents=True)


@kind
def small_files(d: Path) -> None:
    for number in range(600):
        write(d / f"{number:04}", f"{number}\n".encode() * (number % 50))


@kind
def deep_folders(d: Path) -> None:
    (d / "/".join(str(n) for n in range(60))).mkdir(parents=True)


@kind
def wide_folder(d: Path) -> None:
    for number in range(200):
        (d / f"{number}").mkdir()


@kind
def large_file(d: Path) -> None:
    write(d / "film.mkv", random.Random(1).randbytes(3 << 20))


@kind
def odd_sizes(d: Path) -> None:
    for size in (1, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537):
        write(d / str(size), b"\xa5" * size)


@kind
def hole_in_the_middle(d: Path) -> None:
    with (d / "sparse").open("wb") as file:
        file.write(b"head")
        file.seek(8 << 20)
        file.write(b"tail")


@kind
def hole_at_the_end(d: Path) -> None:
    write(d / "sparse", b"head")
    os.truncate(d / "sparse", 4 << 20)


@kind
def zeros_without_a_hole(d: Path) -> None:
    write(d / "zeros", bytes(1 << 20))


@kind
def hard_links(d: Path) -> None:
    write(d / "one")
    for name in ("two", "three"):
        os.link(d / "one", d / name)


@kind
def hard_links_across_folders(d: Path) -> None:
    for name in ("downloads", "media"):
        (d / name).mkdir()
    for number in range(20):
        write(d / "downloads" / f"{number}.mkv", f"{number}".encode() * 1000)
        os.link(d / "downloads" / f"{number}.mkv", d / "media" / f"Film {number}.mkv")


@kind
def equal_files_without_links(d: Path) -> None:
    write(d / "one")
    write(d / "two")


@kind
def hard_linked_symlinks(d: Path) -> None:
    (d / "one").symlink_to("nowhere")
    os.link(d / "one", d / "two", follow_symlinks=False)


@kind
def relative_symlink(d: Path) -> None:
    write(d / "file")
    (d / "link").symlink_to("file")


@kind
def absolute_symlink(d: Path) -> None:
    (d / "link").symlink_to("/mnt/clouds/zurg/film.mkv")


@kind
def dangling_symlink(d: Path) -> None:
    (d / "link").symlink_to("nowhere/at all")


@kind
def escaping_symlink(d: Path) -> None:
    (d / "link").symlink_to("../../../../../../etc/passwd")


@kind
def symlink_to_a_folder(d: Path) -> None:
    (d / "folder").mkdir()
    (d / "link").symlink_to("folder/")


@kind
def symlink_loop(d: Path) -> None:
    (d / "a").symlink_to("b")
    (d / "b").symlink_to("a")


@kind
def long_symlink(d: Path) -> None:
    (d / "link").symlink_to("x/" * 2000)


@kind
def symlink_owner_and_time(d: Path) -> None:
    (d / "link").symlink_to("nowhere")
    os.chown(d / "link", 1234, 4321, follow_symlinks=False)
    at(d / "link", 1_234_567_890 * _SECOND + 987_654_321)


@kind
def symlink_of_odd_bytes(d: Path) -> None:
    (d / "link").symlink_to(os.fsdecode(b"\xff\xfe %41 \n"))


@kind
def user_attributes(d: Path) -> None:
    write(d / "file")
    os.setxattr(d / "file", "user.note", b"a\0b")
    os.setxattr(d / "file", "user.empty", b"")
    os.setxattr(d, "user.folder", b"yes")


@kind
def long_attribute(d: Path) -> None:
    write(d / "file")
    os.setxattr(d / "file", "user.long", b"x" * 2000)


@kind
def trusted_attribute(d: Path) -> None:
    write(d / "file")
    os.setxattr(d / "file", "trusted.portable", b"root only")


@kind
def capability(d: Path) -> None:
    write(d / "program")
    os.setxattr(d / "program", "security.capability", struct.pack("<5I", 0x02000000, 1 << 10, 0, 0, 0))


@kind
def access_list(d: Path) -> None:
    write(d / "file")
    os.setxattr(d / "file", "system.posix_acl_access", _ACL)


@kind
def default_access_list(d: Path) -> None:
    (d / "folder").mkdir()
    os.setxattr(d / "folder", "system.posix_acl_default", _ACL)
    write(d / "folder" / "inherits")


@kind
def foreign_owners(d: Path) -> None:
    for number, (uid, gid) in enumerate(((1000, 1000), (1000, 985), (65534, 65534), (911, 0), (2**31 - 2, 7))):
        write(d / str(number))
        os.chown(d / str(number), uid, gid)


@kind
def special_modes(d: Path) -> None:
    for mode in (0o4755, 0o2755, 0o6755, 0o1644):
        write(d / f"{mode:o}")
        (d / f"{mode:o}").chmod(mode)
    (d / "setgid").mkdir()
    (d / "setgid").chmod(0o2775)
    (d / "sticky").mkdir()
    (d / "sticky").chmod(0o1777)


@kind
def setuid_of_a_foreign_owner(d: Path) -> None:
    write(d / "file")
    os.chown(d / "file", 1000, 1000)
    (d / "file").chmod(0o6711)


@kind
def no_permissions(d: Path) -> None:
    write(d / "file")
    (d / "file").chmod(0)
    (d / "folder").mkdir()
    write(d / "folder" / "file")
    (d / "folder").chmod(0)


@kind
def read_only_folder(d: Path) -> None:
    (d / "folder").mkdir()
    write(d / "folder" / "file")
    (d / "folder").chmod(0o555)


@kind
def fifo(d: Path) -> None:
    os.mkfifo(d / "pipe", 0o640)


@kind
def socket_file(d: Path) -> None:
    here = os.open(d, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{here}/socket")
    os.close(here)


@kind
def devices(d: Path) -> None:
    os.mknod(d / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(d / "loop", stat.S_IFBLK | 0o660, os.makedev(7, 3))


@kind
def longest_name(d: Path) -> None:
    write(d / ("n" * 255))
    write(d / ("\u00e9" * 127))


@kind
def long_path(d: Path) -> None:
    folder = d
    for _ in range(11):
        folder /= "p" * 240
        folder.mkdir()
    write(folder / "end")


@kind
def names_not_utf8(d: Path) -> None:
    for name in (b"caf\xe9", b"\xff\xfe", b"\x80" * 20):
        write(bytes(d) + b"/" + name)


@kind
def control_characters(d: Path) -> None:
    for name in ("line\nend", "tab\t", "escape\x1b[31m", "delete\x7f", "return\r"):
        write(d / name)


@kind
def blanks(d: Path) -> None:
    for name in (" ", " leading", "trailing ", "in the middle", "\u00a0"):
        write(d / name)


@kind
def shell_characters(d: Path) -> None:
    for name in ("$(touch x)", "`x`", "a;b", "a&b", "'", '"', "!", "#", "~", "-rf", "--delete", "{a,b}", "(x)"):
        write(d / name)


@kind
def wildcards(d: Path) -> None:
    for name in ("*", "?", "[a]", "[", "]", "\\", "\\*", "**", "a\\"):
        write(d / name)


@kind
def percent_signs(d: Path) -> None:
    for name in ("%", "%41", "100%", "%%", "%zz"):
        write(d / name)


@kind
def reserved_by_windows(d: Path) -> None:
    for name in ("CON", "nul.txt", "com1", "a:b", "a|b", "a<b>", "end.", "why?"):
        write(d / name)


@kind
def apple_doubles(d: Path) -> None:
    for name in ("._file", ".DS_Store", ".~tmp~"):
        write(d / name)


@kind
def case_twins(d: Path) -> None:
    for name in ("Film", "film", "FILM"):
        write(d / name, name.encode())
    (d / "Folder").mkdir()
    (d / "folder").mkdir()


@kind
def unicode_twins(d: Path) -> None:
    write(d / "caf\u00e9", b"composed")
    write(d / "cafe\u0301", b"decomposed")


@kind
def unicode_names(d: Path) -> None:
    for name in ("\u65e5\u672c\u8a9e", "\U0001f3ac", "\u202egnp.exe", "\u200b", "\ufeff", "\u0130", "\u00df"):
        write(d / name)


@kind
def names_like_the_movers_own(d: Path) -> None:
    for name in (".file.Xa3bQz", ".portable-probe-1", ".~tmp~x", ".rsync-filter", ".portable-restore"):
        write(d / name)


@kind
def sorting(d: Path) -> None:
    """Names whose order differs between paths and bytes."""
    for name in ("a", "a.b", "a-b", "a b"):
        write(d / name) if name != "a" else (d / name).mkdir()
    write(d / "a" / "x")


@kind
def times(d: Path) -> None:
    for number, time in enumerate((0, 1, -1, 10**9 + 1, -(2**31) * _SECOND, 2**31 * _SECOND + 5, 4_200_000_000 * _SECOND)):
        write(d / str(number))
        at(d / str(number), time)


@kind
def folder_time(d: Path) -> None:
    (d / "folder").mkdir()
    write(d / "folder" / "young")
    at(d / "folder", 1_000_000_000 * _SECOND + 1)


@kind
def same_size_and_time(d: Path) -> None:
    for name, content in (("one", b"aaaa"), ("two", b"bbbb")):
        write(d / name, content)
        at(d / name, 1_500_000_000 * _SECOND)


@kind
def databases(d: Path) -> None:
    for mode in ("wal", "delete", "truncate"):
        with sqlite3.connect(d / f"{mode}.db") as database:
            database.execute(f"pragma journal_mode={mode}")
            database.execute("create table t (n integer)")
            database.executemany("insert into t values (?)", [(n,) for n in range(500)])
        database.close()
    write(d / "stale.db-wal", b"not a log")


@kind
def database_logs(d: Path) -> None:
    """Databases as a killed app leaves them: rows that are only in the log, and a transaction that has to be rolled back."""
    for name, mode, suffix in (("wal", "wal", "-wal"), ("hot", "delete", "-journal")):
        with sqlite3.connect(d / f"made-{name}.db", isolation_level=None) as database:
            database.execute(f"pragma journal_mode={mode}")
            database.execute("pragma cache_size=1")
            database.execute("create table t (text text)")
            database.executemany("insert into t values (?)", [("x" * 2000,) for _ in range(50)])
            if mode == "delete":
                database.execute("begin")
                database.execute("update t set text = 'y' || text")
            for end in ("", suffix):
                write(d / f"{name}.db{end}", (d / f"made-{name}.db{end}").read_bytes())
        database.close()
        (d / f"made-{name}.db").unlink()


def make(tree: Path, *, without: tuple[str, ...] = ()) -> int:
    """Fill an empty folder with all kinds; return the number of entries, the tree itself not counted."""
    for name, fill in KINDS.items():
        if name not in without:
            (tree / name).mkdir()
            fill(tree / name)
    at(tree, 1_700_000_000 * _SECOND + 3)
    return sum(len(folders) + len(files) for _, folders, files in os.walk(tree))
