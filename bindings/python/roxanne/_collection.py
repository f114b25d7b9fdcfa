"""Collections: points of one dimension, scalar type and metric."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np
import numpy.typing as npt

from . import _engine
from ._errors import InvalidArgument, NotFound
from ._values import Key, Keys, Payload, count, key_batch, payload_dict, payload_texts

if TYPE_CHECKING:
    from typing import Literal

# Called a few times a second with what is being done and the fraction done; False stops it.
Progress = Optional[Callable[[str, float], Optional[bool]]]
Found = tuple[npt.NDArray[Any], npt.NDArray[np.float32]]


class Point(NamedTuple):
    """A key, its vector (an array of the collection's dtype) and its payload."""

    key: Key
    vector: npt.NDArray[Any]
    payload: dict[str, Any] | None


class Neighbor(NamedTuple):
    """One answer of Collection.search_points() or search_like()."""

    key: Key
    distance: float
    payload: dict[str, Any] | None
    vector: npt.NDArray[Any] | None


class UpsertCounts(NamedTuple):
    """What an upsert did."""

    inserted: int
    replaced: int
    skipped: int


class Collection:
    """A handle; all calls may run at once from many threads, and other threads run meanwhile.

    Vectors and queries are numpy arrays of exactly the collection's dtype, C-contiguous: they are
    read where they lie. Another dtype or layout is InvalidArgument and never converted silently.
    """

    def __init__(self, handle: _engine.Collection, executor: Callable[[], Executor]) -> None:
        self._handle = handle
        self._executor = executor

    @property
    def name(self) -> str:
        """What db[...] finds it by."""
        return self._handle.name

    @property
    def dim(self) -> int:
        """Scalars in a vector."""
        return self._handle.dim

    @property
    def dtype(self) -> str:
        """"f32", "f16", "u8" or "i8"."""
        return self._handle.type

    @property
    def metric(self) -> str:
        """"l2" (squared), "ip" (minus the inner product) or "cosine" (one minus the cosine)."""
        return self._handle.metric

    @property
    def key_type(self) -> str:
        """"u64" or "string"."""
        return self._handle.key_type

    def __len__(self) -> int:
        return self._handle.size()

    def __repr__(self) -> str:
        return (f"<roxanne.Collection {self.name!r}: dim={self.dim} dtype={self.dtype} "
                f"metric={self.metric} key_type={self.key_type}>")

    def upsert(self, keys: Keys | Key, vectors: npt.NDArray[Any],
               payloads: Iterable[Payload] | None = None, *,
               on_duplicate: Literal["replace", "error", "skip"] = "replace") -> UpsertCounts:
        """Insert or replace points in one atomic step, which is as durable on return as the
        database's durability says.

        keys: n ints (an array of uint64 is read where it lies) or n strs, each once.
        vectors: n x dim; dim alone for one point. At most 1,048,576 points a call.
        payloads: one a point: a dict, the text of a JSON object, or None. A replaced point loses
            its old one.
        """
        return UpsertCounts(*self._handle.upsert(key_batch(keys), vectors, payload_texts(payloads),
                                                 on_duplicate))

    def delete(self, keys: Keys | Key) -> int:
        """Remove the keys that are there, in one atomic step; returns how many were."""
        return self._handle.erase(key_batch(keys))

    def get(self, key: Key) -> Point:
        """The point of a key; NotFound, which is a KeyError, where there is none."""
        found, vector, payload = self._handle.get(key)
        return Point(found, vector, payload_dict(payload))

    def __contains__(self, key: Key) -> bool:
        try:
            self._handle.get(key)
        except NotFound:
            return False
        return True

    def search(self, query: npt.NDArray[Any], k: int = 10, *, search_list_size: int = 0,
               exact: bool = False, threads: int = 0) -> Found:
        """The k nearest points: (keys, distances), nearest first.

        query: dim scalars give 1-D arrays, as long as there are answers: k, or fewer where the
            collection has fewer points. n x dim give arrays of n x k; a place that has no answer
            has distance infinity, and key 2**64 - 1 (None where keys are strings).
        search_list_size: recall against work; 0 = chosen by the engine.
        exact: compare with every vector.
        threads: 0 = those of the database.

        Keys are an array of uint64, or of str (dtype object). Each 1,024 queries of a batch (4,096
        where exact) see one moment, and Ctrl-C stops it between them.
        """
        return self._handle.search(query, count(k, "k"), count(search_list_size, "search_list_size"),
                                   exact, count(threads, "threads"))

    async def search_async(self, query: npt.NDArray[Any], k: int = 10, *,
                           search_list_size: int = 0, exact: bool = False,
                           threads: int = 1) -> Found:
        """search() on a thread of the database's pool, to be awaited."""
        call = functools.partial(self.search, query, k, search_list_size=search_list_size,
                                 exact=exact, threads=threads)
        return await asyncio.get_running_loop().run_in_executor(self._executor(), call)

    def search_points(self, query: npt.NDArray[Any], k: int = 10, *, search_list_size: int = 0,
                      exact: bool = False, threads: int = 0, with_payload: bool = True,
                      with_vector: bool = False) -> list[Neighbor]:
        """The k points nearest to one query, with payloads, and vectors where asked for."""
        options = _engine.PointSearch(count(k, "k"), count(search_list_size, "search_list_size"),
                                      exact, count(threads, "threads"), with_payload, with_vector)
        return self._neighbors(self._handle.search_points(query, options))

    def search_like(self, key: Key, k: int = 10, *, search_list_size: int = 0,
                    exact: bool = False, threads: int = 0, with_payload: bool = True,
                    with_vector: bool = False) -> list[Neighbor]:
        """The k points nearest to a point that is there, which is itself left out.

        NotFound, which is a KeyError, where it is not there.
        """
        options = _engine.PointSearch(count(k, "k"), count(search_list_size, "search_list_size"),
                                      exact, count(threads, "threads"), with_payload, with_vector)
        return self._neighbors(self._handle.search_like(key, options))

    @staticmethod
    def _neighbors(found: list[tuple[Key, float, str | None, Any]]) -> list[Neighbor]:
        return [Neighbor(key, distance, payload_dict(payload), vector)
                for key, distance, payload, vector in found]

    def scan(self, order: Literal["any", "key"] = "any", batch: int = 1000) -> Iterator[Point]:
        """Every point as it was when the scan began, read `batch` at a time."""
        if count(batch, "batch") < 1:
            raise InvalidArgument(f"batch {batch}: expected 1 or more")
        return self._points(self._handle.scan(order), batch)

    @staticmethod
    def _points(scan: _engine.Scan, batch: int) -> Iterator[Point]:
        while points := scan.next(batch):
            for key, vector, payload in points:
                yield Point(key, vector, payload_dict(payload))

    def __iter__(self) -> Iterator[Point]:
        return self.scan()

    def build_index(self, *, rebuild: bool = False, progress: Progress = None) -> None:
        """Bring the graph that makes searches fast up to the points of now.

        Done in the background anyway; this waits for it. Ctrl-C (KeyboardInterrupt) and False from
        progress(phase, fraction) (Cancelled) stop it, and the graph serves as before.
        """
        self._handle.build_index(rebuild, progress)

    def info(self) -> dict[str, Any]:
        """Points, regime, memory and index, as `roxanne info --json` names them."""
        return self._handle.info()


__all__: Sequence[str] = ["Collection", "Found", "Neighbor", "Point", "Progress", "UpsertCounts"]
