"""Files of vectors and ground truths, true distances, and recall that counts ties.

Layout of the files: int32 rows, int32 dimensions, then the rows (u8bin, i8bin, f16bin, fbin); gt.bin:
int32 queries, int32 k, queries x k uint32 rows, queries x k float32 distances. All little-endian.
"""
import one_thread  # noqa: F401

import dataclasses
import pathlib

import numpy as np

SCALAR_TYPES = {"u8bin": np.uint8, "i8bin": np.int8, "f16bin": np.float16, "fbin": np.float32}
HEADER_BYTES = 8
# Distances are compared in f64 of the original vectors: only the order of the sum may differ.
TIE_TOLERANCE = 1e-9
# Ground truths are stored in f32, sometimes computed from rounded products.
STORED_TOLERANCE = 1e-3
CHUNK_ROWS = 50_000


@dataclasses.dataclass(frozen=True)
class VectorFile:
    """The first `rows` vectors of a file; reads parts of it, so that no copy of it all is needed."""
    path: str
    rows: int
    dim: int

    @property
    def scalar_type(self):
        return SCALAR_TYPES[self.path.rsplit(".", 1)[1]]

    def read(self, first=0, count=None):
        """Rows [first, first + count) in the file's own type."""
        count = self.rows - first if count is None else min(count, self.rows - first)
        offset = HEADER_BYTES + first * self.dim * np.dtype(self.scalar_type).itemsize
        values = np.fromfile(self.path, self.scalar_type, count * self.dim, offset=offset)
        return values.reshape(count, self.dim)

    def chunks(self):
        """Yields (first row, rows) over all of it."""
        for first in range(0, self.rows, CHUNK_ROWS):
            yield first, self.read(first, CHUNK_ROWS)

    def mapped(self):
        """All rows, paged in as they are touched."""
        return np.memmap(self.path, self.scalar_type, "r", HEADER_BYTES, (self.rows, self.dim))


def open_vectors(path, limit=None):
    rows, dim = (int(value) for value in np.fromfile(path, "<i4", 2))
    return VectorFile(str(path), rows if limit is None else min(rows, limit), dim)


def find_vectors(folder, stem, limit=None):
    """The one file in `folder` named `stem` with a suffix that says the type of its scalars."""
    found = [path for suffix in SCALAR_TYPES
             if (path := pathlib.Path(folder) / f"{stem}.{suffix}").exists()]
    if len(found) != 1:
        raise SystemExit(f"{folder}: want one {stem}.* of {', '.join(SCALAR_TYPES)}, found {len(found)}")
    return open_vectors(found[0], limit)


def write_vectors(path, rows):
    with open(path, "wb") as file:
        np.array(rows.shape, "<i4").tofile(file)
        np.ascontiguousarray(rows).tofile(file)


def read_truth(path):
    """(ids, distances), each queries x k."""
    with open(path, "rb") as file:
        queries, k = (int(value) for value in np.fromfile(file, "<i4", 2))
        ids = np.fromfile(file, "<u4", queries * k).reshape(queries, k)
        distances = np.fromfile(file, "<f4", queries * k).reshape(queries, k)
    return ids.astype(np.int64), distances


def write_truth(path, ids, distances):
    with open(path, "wb") as file:
        np.array(ids.shape, "<i4").tofile(file)
        ids.astype("<u4").tofile(file)
        distances.astype("<f4").tofile(file)


def true_distances(metric, queries, base, ids):
    """Squared L2, or minus the inner product, of each query to the base rows of its ids, in f64."""
    result = np.empty(ids.shape, np.float64)
    for number, row_ids in enumerate(ids):
        rows = base[row_ids].astype(np.float64)
        query = queries[number].astype(np.float64)
        if metric == "ip":
            result[number] = -(rows @ query)
        else:
            result[number] = np.square(rows - query).sum(axis=1)
    return result


def with_true_distances(metric, queries, base, candidates, k):
    """The k nearest of each query's candidates, nearest first: (ids, distances)."""
    distances = true_distances(metric, queries, base, candidates)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(candidates, order, 1), np.take_along_axis(distances, order, 1)


def measure_recall(metric, queries, base, truth_ids, ids):
    """The share of answers that are as near as the k-th true one, by distance: any row that ties counts.

    Both sides' distances are computed here, from the original vectors: how a library stores or rounds
    them does not matter. Missing answers (-1) are misses; a row that comes twice is an error.
    """
    k = truth_ids.shape[1]
    if ids.shape != truth_ids.shape:
        raise ValueError(f"answers are {ids.shape}, want {truth_ids.shape}")
    present = (ids >= 0) & (ids < len(base))
    for row_ids, row_present in zip(ids, present):
        returned = row_ids[row_present]
        if len(np.unique(returned)) != len(returned):
            raise ValueError(f"a row was returned twice: {row_ids}")
    farthest = true_distances(metric, queries, base, truth_ids).max(axis=1, keepdims=True)
    distances = true_distances(metric, queries, base, np.where(present, ids, 0))
    near = present & (distances <= farthest + TIE_TOLERANCE * np.abs(farthest) + TIE_TOLERANCE)
    return float(near.sum()) / (len(ids) * k)


def check_stored_truth(metric, queries, base, ids, stored):
    """Fails where a ground truth does not belong to these vectors and this metric."""
    distances = true_distances(metric, queries, base, ids)
    if not np.allclose(distances, stored, rtol=STORED_TOLERANCE, atol=STORED_TOLERANCE):
        raise SystemExit("the ground truth has other distances than the vectors: is the metric right?")


def exact_neighbors(metric, queries, base, k):
    """Brute force over blocks of the base, by FAISS in f32; the best candidates are then ranked in f64."""
    import faiss  # only where a ground truth must be made

    faiss.omp_set_num_threads(1)
    kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
    width = min(4 * k, base.rows)  # f32 may order close ones wrongly: leave room
    wanted = queries.astype(np.float32)
    ids = np.empty((len(queries), 0), np.int64)
    distances = np.empty((len(queries), 0), np.float32)
    for first, rows in base.chunks():
        near, near_ids = faiss.knn(wanted, rows.astype(np.float32), min(width, len(rows)), metric=kind)
        ids = np.hstack([ids, near_ids + first])
        distances = np.hstack([distances, -near if metric == "ip" else near])
        kept = np.argsort(distances, axis=1, kind="stable")[:, :width]
        ids, distances = (np.take_along_axis(side, kept, 1) for side in (ids, distances))
    return with_true_distances(metric, queries, base.mapped(), ids, k)
