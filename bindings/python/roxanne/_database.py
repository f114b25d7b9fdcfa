"""Databases: folders of collections."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _engine
from ._collection import Collection, Progress
from ._errors import NotFound
from ._values import byte_count, count, path_bytes, scalar_type

if TYPE_CHECKING:
    from typing import Literal

    Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class SnapshotReport(NamedTuple):
    """What a snapshot copied."""

    collections: int
    points: int
    bytes_copied: int
    bytes_shared: int


class VerifyReport(NamedTuple):
    """What a check found; no problems: all is well."""

    points_checked: int
    bytes_checked: int
    problems: list[str]
    repaired: list[str]


def open(path: Path, *, create: bool | None = None, read_only: bool = False,
         memory_limit: int | str = 0,
         durability: Literal["full", "grouped", "none"] = "full", threads: int = 0,
         error_if_exists: bool = False, automatic_index: bool = True,
         index_points_min: int = 0) -> Database:
    """Open the database in the folder `path`.

    create: whether to make it where there is none; by default yes, but when read_only.
    read_only: as it is at this moment, beside a process that writes.
    memory_limit: bytes, or "4GiB"; 0 = half of what this process may use; at least 32 MiB.
    durability: "full": a write returns when it is on the disk; "grouped": synced within 100 ms;
        "none": synced by flush() and close(). A killed process loses nothing in any of them.
    threads: of a search and of a build; 0 = one a processor.
    automatic_index: whether graphs are kept up with their points in the background.
    index_points_min: smaller collections get no graph; 0 = the engine's choice.

    Raises NotFound, AlreadyExists, Locked, Corruption, Unsupported, IoError.
    """
    if create is None:
        create = not read_only
    threads = count(threads, "threads")
    handle = _engine.open(path_bytes(path), create=create, error_if_exists=error_if_exists,
                          read_only=read_only, durability=durability,
                          memory_limit_bytes=byte_count(memory_limit), threads=threads,
                          automatic_index=automatic_index,
                          index_points_min=count(index_points_min, "index_points_min", 2**64 - 1))
    return Database(handle, threads)


class Database:
    """An open database; made by roxanne.open(). All calls may run at once from many threads.

    A context manager. It belongs to the process that opened it: in a forked child it raises Error,
    and so does open(). Start workers with multiprocessing's "spawn" or "forkserver".
    """

    def __init__(self, handle: _engine.Database, threads: int) -> None:
        self._handle = handle
        self._threads = threads or os.cpu_count() or 1
        self._executor: ThreadPoolExecutor | None = None  # guarded by _executor_lock
        self._executor_lock = threading.Lock()
        self._executor_process = os.getpid()  # whose threads and lock these are

    def __enter__(self) -> Database:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Make every acknowledged write durable and let go of the folder; waits for running calls.

        Calls on it and its collections raise Error from then on. Closing twice is no error.
        """
        self._leave_executor_of_parent()
        with self._executor_lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True)
        self._handle.close()

    def _leave_executor_of_parent(self) -> None:
        """A forked child has neither the threads nor who would let go of the lock: it gets new
        ones, so that its calls raise Error instead of waiting for ever."""
        if self._executor_process != os.getpid():
            self._executor, self._executor_lock = None, threading.Lock()
            self._executor_process = os.getpid()

    def _async_executor(self) -> Executor:
        self._leave_executor_of_parent()
        with self._executor_lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._threads, "roxanne-search")
            return self._executor

    def flush(self) -> None:
        """Make every acknowledged write durable, whatever the durability."""
        self._handle.flush()

    def create_collection(self, name: str = "default", *, dim: int, dtype: Any = "f32",
                          metric: Literal["l2", "ip", "cosine"] = "l2",
                          key_type: Literal["u64", "string"] = "u64") -> Collection:
        """Make a collection: `dtype` is "f32", "f16", "u8" or "i8", or numpy's name for it."""
        handle = self._handle.create_collection(name, dim=count(dim, "dim"), type=scalar_type(dtype),
                                                metric=metric, key_type=key_type)
        return Collection(handle, self._async_executor)

    def drop_collection(self, name: str) -> None:
        """Remove a collection and its points; NotFound where there is none."""
        self._handle.drop_collection(name)

    @property
    def collections(self) -> list[str]:
        """Their names, sorted."""
        return self._handle.collection_names()

    def __getitem__(self, name: str) -> Collection:
        return Collection(self._handle.collection(name), self._async_executor)

    def __contains__(self, name: object) -> bool:
        return name in self.collections

    def __iter__(self) -> Iterator[str]:
        return iter(self.collections)

    def __len__(self) -> int:
        return len(self.collections)

    def get(self, name: str) -> Collection | None:
        """The collection, None where there is none."""
        try:
            return self[name]
        except NotFound:
            return None

    def info(self) -> dict[str, Any]:
        """What is in it, as `roxanne info --json` names it."""
        return self._handle.info()

    def snapshot(self, path: Path, *, progress: Progress = None) -> SnapshotReport:
        """Copy it as it is at one moment to a folder, while searches and writes go on.

        path: must not be there, or be empty. Ctrl-C (KeyboardInterrupt) and False from
        progress(phase, fraction) (Cancelled) stop it and leave nothing behind.
        """
        return SnapshotReport(**self._handle.snapshot(path_bytes(path), progress))

    def verify(self, *, repair: bool = False, progress: Progress = None) -> VerifyReport:
        """Read every byte and check every invariant; writers wait meanwhile.

        Ctrl-C (KeyboardInterrupt) and False from progress(phase, fraction) (Cancelled) stop it.
        """
        return VerifyReport(**self._handle.verify(repair, progress))
