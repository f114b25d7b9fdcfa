"""Checks the yardstick before anything is measured with it."""
import one_thread  # noqa: F401

import pathlib
import tempfile

import numpy as np

import systems
import vectors

BASE_ROWS = 4000
QUERIES = 100
# A graph as weak as this finds clearly less than everything.
WEAK_M, WEAK_EF = 5, 20


def _sample(case, folder):
    """A small base of the real data as a file, and queries."""
    path = pathlib.Path(folder) / pathlib.Path(case.base.path).name
    vectors.write_vectors(path, case.base.read(0, BASE_ROWS))
    return vectors.open_vectors(path), case.query.read(0, QUERIES)


def _flat_answers(metric, base, queries):
    """(distances, rows) of a FAISS flat index; less is nearer."""
    import faiss
    faiss.omp_set_num_threads(1)
    kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
    index = faiss.IndexFlat(base.dim, kind)
    index.add(base.read().astype(np.float32))
    distances, ids = index.search(queries.astype(np.float32), systems.K)
    return (-distances if metric == "ip" else distances), ids


def _weak_graph_answers(metric, base, queries):
    """(distances as hnswlib gives them, rows) of a graph that misses some."""
    peer = systems.Hnswlib(WEAK_M, WEAK_EF)
    peer.build(base, metric)
    peer.index.set_ef(WEAK_EF)
    labels, distances = peer.index.knn_query(queries.astype(np.float32), systems.K, num_threads=1)
    return (distances - 1 if metric == "ip" else distances), labels.astype(np.int64)


def _farthest_rows(metric, queries, rows):
    every = np.tile(np.arange(len(rows)), (len(queries), 1))
    return vectors.true_distances(metric, queries, rows, every).argmax(axis=1)


def _expect(what, measured, expected, tolerance):
    if abs(measured - expected) > tolerance:
        raise SystemExit(f"self-check: {what}: recall {measured:.4f}, expected {expected:.4f}")


def check(case):
    """Three answers whose recall is known another way: of a flat index 1, the same with one wrong row a
    query 1 - 1/k, and of a weak graph what its own distances say when held against the flat index's."""
    with tempfile.TemporaryDirectory() as folder:
        base, queries = _sample(case, folder)
        rows = base.mapped()
        truth = vectors.exact_neighbors(case.metric, queries, base, systems.K)[0]

        def measured(ids):
            return vectors.measure_recall(case.metric, queries, rows, truth, ids)

        flat_distances, flat_ids = _flat_answers(case.metric, base, queries)
        _expect("flat index", measured(flat_ids), 1.0, 0.002)
        damaged = flat_ids.copy()
        damaged[:, -1] = _farthest_rows(case.metric, queries, rows)
        _expect("one wrong row a query", measured(damaged), 1 - 1 / systems.K, 0.002)
        distances, ids = _weak_graph_answers(case.metric, base, queries)
        last = flat_distances[:, -1:]
        expected = float((distances <= last + 1e-5 * np.abs(last)).mean())
        _expect("a weak graph", measured(ids), expected, 0.005)
        return measured(ids)
