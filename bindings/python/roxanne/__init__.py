"""Roxanne: a vector database in one folder, on disk.

    with roxanne.open("photos.rox", memory_limit="4GiB") as db:
        photos = db.create_collection("default", dim=128, dtype="u8", metric="l2")
        photos.upsert(keys, vectors)
        keys, distances = photos.search(query, k=10)
"""

from ._collection import Collection, Neighbor, Point, UpsertCounts
from ._database import Database, SnapshotReport, VerifyReport, open
from ._engine import version as _version
from ._errors import (
    AlreadyExists,
    Cancelled,
    Corruption,
    DiskFull,
    Error,
    InvalidArgument,
    IoError,
    Locked,
    NotFound,
    ReadOnly,
    Unsupported,
)

__version__ = _version()

__all__ = [
    "AlreadyExists",
    "Cancelled",
    "Collection",
    "Corruption",
    "Database",
    "DiskFull",
    "Error",
    "InvalidArgument",
    "IoError",
    "Locked",
    "Neighbor",
    "NotFound",
    "Point",
    "ReadOnly",
    "SnapshotReport",
    "Unsupported",
    "UpsertCounts",
    "VerifyReport",
    "open",
]
