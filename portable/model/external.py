"""Secrets that an operator of the cluster fetches from a store (External Secrets), as a plan knows them: places, never values."""

from collections.abc import Mapping
from typing import Literal

from portable.model.base import Struct
from portable.model.secret_refs import SecretRef

StoreKind = Literal["SecretStore", "ClusterSecretStore"]
CreationPolicy = Literal["Owner", "Orphan", "Merge"]


class RemoteValue(Struct, frozen=True, kw_only=True):
    """The place of one value in the store."""

    secret: str
    """The plan's name of the secret."""
    key: str
    """Its key; a value that a program needs in a form of its own has a key for that form, as `remote_key` names it."""
    remote: str
    """The key in the store."""
    field: str = ""
    """The field of what lies there; empty: all of it."""
    version: str = ""
    """Empty: the newest."""

    @property
    def place(self) -> str:
        """The place, for a person."""
        field = f", property {self.field}" if self.field else ""
        return f"{self.remote}{field}{f', version {self.version}' if self.version else ''}"


class ExternalSecrets(Struct, frozen=True, kw_only=True):
    """The store, and what is fetched from it."""

    store: str
    kind: StoreKind = "SecretStore"
    refresh: str = "1h"
    """How often the operator reads the store again; `0s`: once."""
    creation: CreationPolicy = "Owner"
    """Owner: the Secret is deleted with its ExternalSecret. Orphan: it stays. Merge: it exists already, and gets these keys."""
    values: tuple[RemoteValue, ...] = ()

    @property
    def by_key(self) -> Mapping[tuple[str, str], RemoteValue]:
        """The places by secret and key."""
        return {(value.secret, value.key): value for value in self.values}


def remote_key(ref: SecretRef) -> str:
    """The key of a reference in the store. A form that an operator cannot make is stored as a value of its own."""
    return ref.key if ref.form == "plain" else f"{ref.key}-{ref.form}"
