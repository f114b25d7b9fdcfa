"""The libraries Roxanne is compared with: how each is built, saved, loaded and searched.

A library is imported only where its index is built or searched. Each class: `build(vectors, metric)` takes a
VectorFile and reports nothing; `save` and `load` work on a folder; `prepare` turns queries into what the
library wants (not timed); `set` applies one setting; `search` answers all prepared queries with one
thread and returns rows, queries x K, -1 where there is none.

Why these parameters: README.md.
"""
import one_thread  # noqa: F401

import dataclasses
import os
import pathlib
import shutil
import sys
import tempfile

import numpy as np

K = 10
SEARCH_LIST_SIZES = [10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 260, 320, 400, 520, 640, 800]
PROBES = [4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
K_FACTORS = [2, 4, 8, 16]
FAISS_TRAIN_ROWS = 100_000  # of a scalar quantizer: enough for its ranges
SEED = 100
# A ladder is left where two steps in a row brought less than this: its recall is capped.
RECALL_GAIN_MIN = 0.0005


def graph_ladders(name):
    """One ladder of settings, low to high, of a graph whose list size is called `name`."""
    return [[{name: size} for size in SEARCH_LIST_SIZES]]


def is_climbed(points, recall_max):
    """Whether a ladder has reached the recall asked for, or no longer gains; None asks for every step."""
    if recall_max is None or not points:
        return False
    recalls = [point["recall"] for point in points]
    capped = len(recalls) > 2 and recalls[-1] - recalls[-3] < RECALL_GAIN_MIN
    return capped or recalls[-1] >= recall_max


class Hnswlib:
    module, distribution = "hnswlib", "hnswlib"

    def __init__(self, m, ef_construction):
        self.m, self.ef_construction = m, ef_construction

    def _empty(self, dim, metric):
        import hnswlib
        return hnswlib.Index("ip" if metric == "ip" else "l2", dim)

    def build(self, vectors, metric):
        self.index = self._empty(vectors.dim, metric)
        self.index.init_index(vectors.rows, M=self.m, ef_construction=self.ef_construction,
                              random_seed=SEED)
        for first, rows in vectors.chunks():
            self.index.add_items(rows.astype(np.float32), np.arange(first, first + len(rows)),
                                 num_threads=1)

    def save(self, folder):
        self.index.save_index(str(folder / "index"))

    def load(self, folder, vectors, metric):
        self.index = self._empty(vectors.dim, metric)
        self.index.load_index(str(folder / "index"), vectors.rows)

    def ladders(self, _vectors):
        return graph_ladders("ef")

    def prepare(self, queries):
        self.queries = queries.astype(np.float32)

    def set(self, setting):
        self.index.set_ef(setting["ef"])

    def search(self):
        labels, _ = self.index.knn_query(self.queries, K, num_threads=1)
        return labels.astype(np.int64)


class Faiss:
    """What all FAISS indexes share; vectors come in as f32."""
    module, distribution = "faiss", "faiss-cpu"

    def _faiss(self, metric="l2"):
        import faiss
        faiss.omp_set_num_threads(1)
        return faiss, faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2

    def build(self, vectors, metric):
        self.index = self._make(vectors, metric)
        if not self.index.is_trained:
            self.index.train(vectors.read(0, self._train_rows(vectors)).astype(np.float32))
        for _, rows in vectors.chunks():
            self.index.add(rows.astype(np.float32))

    def _train_rows(self, vectors):
        return min(vectors.rows, FAISS_TRAIN_ROWS)

    def save(self, folder):
        self._faiss()[0].write_index(self.index, str(folder / "index"))

    def load(self, folder, _vectors, _metric):
        self.index = self._faiss()[0].read_index(str(folder / "index"))

    def prepare(self, queries):
        self.queries = queries.astype(np.float32)

    def search(self):
        return self.index.search(self.queries, K)[1]


class FaissHnsw(Faiss):
    def __init__(self, m, ef_construction, quantized):
        self.m, self.ef_construction, self.quantized = m, ef_construction, quantized

    def _make(self, vectors, metric):
        faiss, kind = self._faiss(metric)
        if self.quantized:
            # Bytes are their own codes: nothing is lost and distances stay integers.
            direct = vectors.scalar_type == np.uint8
            codes = faiss.ScalarQuantizer.QT_8bit_direct if direct else faiss.ScalarQuantizer.QT_8bit
            index = faiss.IndexHNSWSQ(vectors.dim, codes, self.m, kind)
        else:
            index = faiss.IndexHNSWFlat(vectors.dim, self.m, kind)
        index.hnsw.efConstruction = self.ef_construction
        return index

    def ladders(self, _vectors):
        return graph_ladders("efSearch")

    def set(self, setting):
        self.index.hnsw.efSearch = setting["efSearch"]


class FaissIvfPq(Faiss):
    """Fast-scan product codes of 4 bits in inverted lists, answers refined with the f32 vectors."""

    def __init__(self, one_query_a_call):
        self.one_query_a_call = one_query_a_call

    @staticmethod
    def factory(vectors):
        lists = 2 ** round(np.log2(4 * np.sqrt(vectors.rows)))
        codes = vectors.dim // 2 if vectors.dim // 2 <= 192 else vectors.dim // 4
        if codes == 0 or vectors.dim % codes:
            raise SystemExit(f"no product code for {vectors.dim} dimensions")
        return f"IVF{lists},PQ{codes}x4fsr,RFlat"

    def _make(self, vectors, metric):
        faiss, kind = self._faiss(metric)
        return faiss.index_factory(vectors.dim, self.factory(vectors), kind)

    def _train_rows(self, vectors):
        return vectors.rows  # the clustering takes its own sample

    def load(self, folder, vectors, metric):
        super().load(folder, vectors, metric)
        self.lists = self._faiss()[0].extract_index_ivf(self.index)

    def ladders(self, vectors):
        lists = 2 ** round(np.log2(4 * np.sqrt(vectors.rows)))
        return [[{"nprobe": probes, "k_factor": factor} for probes in PROBES if probes <= lists]
                for factor in K_FACTORS]

    def prepare(self, queries):
        super().prepare(queries)
        if not self.one_query_a_call:
            return
        # The pointers are made beforehand: Python adds about a microsecond to a call, no more.
        swig_ptr = self._faiss()[0].swig_ptr
        self.distances = np.empty((len(queries), K), np.float32)
        self.ids = np.empty((len(queries), K), np.int64)
        self.pointers = [(swig_ptr(query), swig_ptr(distances), swig_ptr(ids)) for query, distances, ids
                         in zip(self.queries, self.distances, self.ids)]

    def set(self, setting):
        self.lists.nprobe = setting["nprobe"]
        self.index.k_factor = setting["k_factor"]

    def search(self):
        if not self.one_query_a_call:
            return super().search()
        search = self.index.search_c
        for query, distances, ids in self.pointers:
            search(1, query, K, distances, ids)
        return self.ids.copy()


class Usearch:
    module, distribution = "usearch", "usearch"

    def __init__(self, bits, connectivity, expansion_add):
        self.bits, self.connectivity, self.expansion_add = bits, connectivity, expansion_add

    def _encode(self, rows):
        """f32 for its own conversion to f16; int8 made here.

        Given floats, usearch scales each vector to its own length, which loses lengths under L2 and most
        of the 8 bits of a unit vector. Bytes are moved to int8 exactly; others get one scale for all.
        """
        if self.bits == 16:
            return rows.astype(np.float32)
        if rows.dtype == np.int8:
            return rows
        if rows.dtype == np.uint8:
            return (rows ^ 0x80).view(np.int8)
        return np.clip(np.rint(rows.astype(np.float32) * self.scale), -127, 127).astype(np.int8)

    def _find_scale(self, vectors):
        self.scale = 1.0
        if self.bits == 8 and vectors.scalar_type not in (np.uint8, np.int8):
            largest = max(float(np.abs(rows).max()) for _, rows in vectors.chunks())
            self.scale = 127 / largest

    def _kinds(self):
        from usearch.index import ScalarKind
        return (ScalarKind.F16, ScalarKind.F32) if self.bits == 16 else (ScalarKind.I8, ScalarKind.I8)

    def build(self, vectors, metric):
        from usearch.index import Index
        self._find_scale(vectors)
        stored, given = self._kinds()
        self.index = Index(ndim=vectors.dim, metric="ip" if metric == "ip" else "l2sq", dtype=stored,
                           connectivity=self.connectivity, expansion_add=self.expansion_add)
        for first, rows in vectors.chunks():
            self.index.add(np.arange(first, first + len(rows), dtype=np.uint64), self._encode(rows),
                           threads=1, dtype=given)

    def save(self, folder):
        self.index.save(str(folder / "index"))

    def load(self, folder, vectors, _metric):
        from usearch.index import Index
        self._find_scale(vectors)
        self.index = Index.restore(str(folder / "index"))

    def ladders(self, _vectors):
        return graph_ladders("expansion_search")

    def prepare(self, queries):
        self.queries = self._encode(queries)

    def set(self, setting):
        self.index.expansion_search = setting["expansion_search"]

    def search(self):
        found = self.index.search(self.queries, K, threads=1, dtype=self._kinds()[1])
        ids = found.keys.astype(np.int64)
        ids[np.arange(K)[None, :] >= found.counts[:, None]] = -1
        return ids


class SvsVamana:
    """Scalable Vector Search on the vectors' own type. Its LVQ codes refuse processors not made by Intel."""
    module, distribution = "svs", "scalable-vs"

    def __init__(self, degree, window):
        self.degree, self.window = degree, window

    def _distance(self, metric):
        import svs
        return svs.DistanceType.MIP if metric == "ip" else svs.DistanceType.L2

    def build(self, vectors, metric):
        import svs
        parameters = svs.VamanaBuildParameters(alpha=0.95 if metric == "ip" else 1.2,
                                               graph_max_degree=self.degree, window_size=self.window)
        self.index = svs.Vamana.build(parameters, vectors.read(), self._distance(metric), num_threads=1)

    def save(self, folder):
        self.index.save(*(str(folder / part) for part in ("config", "graph", "data")))

    def load(self, folder, vectors, metric):
        import svs
        kind = getattr(svs.DataType, np.dtype(vectors.scalar_type).name)
        data = svs.VectorDataLoader(str(folder / "data"), kind, dims=vectors.dim)
        self.index = svs.Vamana(str(folder / "config"), svs.GraphLoader(str(folder / "graph")), data,
                                self._distance(metric), query_type=kind, num_threads=1)

    def ladders(self, _vectors):
        return graph_ladders("search_window_size")

    def prepare(self, queries):
        self.queries = queries

    def set(self, setting):
        self.index.search_window_size = setting["search_window_size"]

    def search(self):
        return self.index.search(self.queries, K)[0].astype(np.int64)


class DiskAnn:
    """DiskANN's index in memory; u8 and i8 as they are, others as f32."""
    module, distribution = "diskannpy", "diskannpy"

    def __init__(self, degree, complexity):
        self.degree, self.complexity = degree, complexity

    def _encode(self, rows):
        return rows if rows.dtype in (np.uint8, np.int8) else rows.astype(np.float32)

    def build(self, vectors, metric):
        """Straight into files: that is how DiskANN builds."""
        import diskannpy
        self.scratch = tempfile.TemporaryDirectory()
        diskannpy.build_memory_index(
            data=self._encode(vectors.read()), distance_metric="mips" if metric == "ip" else "l2",
            index_directory=self.scratch.name, complexity=self.complexity, graph_degree=self.degree,
            num_threads=1, alpha=1.2)

    def save(self, folder):
        shutil.copytree(self.scratch.name, folder, dirs_exist_ok=True)
        self.scratch.cleanup()

    def load(self, folder, _vectors, _metric):
        import diskannpy
        self.index = diskannpy.StaticMemoryIndex(index_directory=str(folder), num_threads=1,
                                                 initial_search_complexity=max(SEARCH_LIST_SIZES))

    def ladders(self, _vectors):
        return graph_ladders("complexity")

    def prepare(self, queries):
        self.queries = self._encode(queries)

    def set(self, setting):
        self.complexity_now = setting["complexity"]

    def search(self):
        found = self.index.batch_search(self.queries, K, self.complexity_now, num_threads=1)
        return found.identifiers.astype(np.int64)


def type_name(vectors):
    """The scalar type as Roxanne calls it."""
    kind = np.dtype(vectors.scalar_type)
    return f"{kind.kind}{8 * kind.itemsize}"


def faiss_codes(vectors):
    return "QT_8bit_direct" if vectors.scalar_type == np.uint8 else "QT_8bit"


def usearch_codes(vectors):
    return {"u8": "i8 = u8 - 128", "i8": "i8"}.get(type_name(vectors), "i8, one scale for all")


@dataclasses.dataclass(frozen=True)
class System:
    """One row of the table. Rows with one `index` share what was built."""
    key: str
    label: str
    parameters: object  # vectors -> how the index is made, in words
    make: object
    index: str = None
    call: str = ""  # how it is searched, where there is a choice
    batched: bool = False  # gains from getting many queries in one call; the others loop in C++
    by_default: bool = True

    def index_key(self):
        return self.index or self.key

    def shown_parameters(self, vectors):
        return ", ".join(filter(None, [self.parameters(vectors), self.call]))

    def library(self):
        return self.make()

    def python(self):
        """The interpreter that has the library."""
        own = os.environ.get("PEERS_DISKANN_PYTHON") if self.key == "diskann" else None
        return own or sys.executable


SYSTEMS = {system.key: system for system in (
    System("hnswlib-m16", "hnswlib M=16", lambda _: "f32, M 16, ef_construction 200",
           lambda: Hnswlib(16, 200)),
    System("hnswlib-m32", "hnswlib M=32", lambda _: "f32, M 32, ef_construction 200",
           lambda: Hnswlib(32, 200)),
    System("faiss-hnsw", "FAISS HNSW32 flat", lambda _: "f32, M 32, efConstruction 200",
           lambda: FaissHnsw(32, 200, False)),
    System("faiss-sq8", "FAISS HNSW32 SQ8", lambda v: f"{faiss_codes(v)}, M 32, efConstruction 40",
           lambda: FaissHnsw(32, 40, True)),
    System("faiss-sq8-ef200", "FAISS HNSW32 SQ8, ef 200",
           lambda v: f"{faiss_codes(v)}, M 32, efConstruction 200", lambda: FaissHnsw(32, 200, True)),
    System("faiss-ivfpq", "FAISS IVF PQ, batch",
           FaissIvfPq.factory, lambda: FaissIvfPq(False), index="faiss-ivfpq",
           call="all queries in one call", batched=True),
    System("faiss-ivfpq-single", "FAISS IVF PQ, single",
           FaissIvfPq.factory, lambda: FaissIvfPq(True), index="faiss-ivfpq",
           call="one query a call"),
    System("usearch-f16", "usearch f16", lambda _: "f16, connectivity 16, expansion_add 200",
           lambda: Usearch(16, 16, 200)),
    System("usearch-i8", "usearch i8",
           lambda v: f"{usearch_codes(v)}, connectivity 16, expansion_add 200",
           lambda: Usearch(8, 16, 200)),
    System("svs", "SVS Vamana", lambda v: f"{type_name(v)}, degree 64, window 128",
           lambda: SvsVamana(64, 128)),
    System("diskann", "DiskANN in memory",
           lambda v: f"{type_name(v) if type_name(v) in ('u8', 'i8') else 'f32'}, degree 64, "
                     "complexity 128",
           lambda: DiskAnn(64, 128), by_default=False),
)}


def folder_bytes(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())
