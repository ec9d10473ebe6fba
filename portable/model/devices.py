"""Devices of a plan: how containers get a GPU, a tunnel device and a FUSE device."""

from portable.model.base import Struct


class HostDevice(Struct, tag="host", frozen=True, kw_only=True):
    """A device node of the host; `group` is the gid with permission to open it."""

    path: str
    group: int | None = None


class PluginDevice(Struct, tag="plugin", frozen=True, kw_only=True):
    """A device that a device plug-in provides as an extended resource; `group` is the gid with permission to open it."""

    resource: str
    group: int | None = None


class AnnotatedDevice(Struct, tag="annotation", frozen=True, kw_only=True):
    """A device that CRI-O adds by the annotation `io.kubernetes.cri-o.Devices`; `group` is the gid with permission to open it."""

    path: str
    group: int | None = None


Device = HostDevice | PluginDevice | AnnotatedDevice


class Devices(Struct, frozen=True, kw_only=True):
    """How a place provides devices; None means that it has no such device."""

    tun: Device | None = None
    fuse: Device | None = None
    gpu: Device | None = None
