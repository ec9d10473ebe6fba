"""The kernel's table of mounts, read one way by all who ask."""

from portable.engines.mounts import Mounted, holding, parse


def test_the_kernels_table_is_read_as_it_is_meant() -> None:
    """Of two mounts at one place the last covers the first; what a path holds by its name alone is not around it."""
    mounts = ("/ rw - ext4 a", "/a\\040b rw shared:1 - btrfs b", "/ab rw - nfs c", "/ab rw - tmpfs d")
    table = parse("\n".join(f"1 0 8:1 / {mount} rw" for mount in mounts))
    assert [mount.kind for path in ("/x", "/a b/c", "/ab", "/abc") if (mount := holding(table, path))] == ["ext4", "btrfs", "tmpfs", "ext4"]
    assert holding(parse(""), "/x") is None


def test_names_are_those_that_a_person_sees() -> None:
    """The kernel writes a space, a tab, a newline and a backslash as octal, and the rest as it is."""
    (mount,) = parse("1 0 8:1 / /mnt/f\u00fcr\\040a\\134b rw - ext4 a rw")
    assert mount.path == "/mnt/f\u00fcr a\\b"


def test_a_helper_sees_a_shared_mount_of_the_host_as_a_master_and_itself_does_not() -> None:
    line = "2 1 8:1 / /host/x ro master:1 - ext4 a rw"
    assert parse(line) == (Mounted(path="/host/x", kind="ext4", shared=False, source="a"),)
    assert parse(f"1 0 8:1 / / rw shared:3 - overlay o rw\n{line}", "/host") == (Mounted(path="/x", kind="ext4", shared=True, source="a"),)
