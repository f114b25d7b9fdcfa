#!/usr/bin/env python3
"""Batched exact search against FAISS IndexFlatL2, in alternating rounds of one run.

    pip install faiss-cpu numpy
    bench/compare_faiss.py build/release/roxanne ../shared/data/sift-1m

Roxanne reads the u8 vectors as they are; FAISS holds them as f32. Both answer the same queries with
the same number of threads (ours: each searches its share of the queries in one call); import and
loading are not timed. Prints each round's seconds and the
ratio of the medians, and checks that both found the same distances.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

# A preset kernel choice would slow FAISS's matrix products: let it see the processor it runs on.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import faiss  # noqa: E402
import numpy as np  # noqa: E402


def read_u8bin(path, limit=None):
    with open(path, "rb") as file:
        rows, dim = np.fromfile(file, dtype="<i4", count=2)
        rows = rows if limit is None else min(rows, limit)
        return np.fromfile(file, dtype=np.uint8, count=int(rows) * int(dim)).reshape(rows, dim)


def read_truth_distances(path, limit, k):
    with open(path, "rb") as file:
        queries, width = np.fromfile(file, dtype="<i4", count=2)
        file.seek(8 + 4 * int(queries) * int(width))
        distances = np.fromfile(file, dtype="<f4").reshape(queries, width)
    return distances[:limit, :k]


def run_roxanne(args, database):
    command = [args.roxanne, "eval", database, "--query", args.data / "query.u8bin",
               "--ground-truth", args.data / "gt.bin", "--k", args.k, "--limit", args.queries,
               "--batch", -(-args.queries // args.threads), "--threads", args.threads, "--exact", "--json",
               "--memory-limit", "4GiB"]
    out = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roxanne")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    base = read_u8bin(args.data / "base.u8bin").astype(np.float32)
    queries = read_u8bin(args.data / "query.u8bin", args.queries).astype(np.float32)
    truth = read_truth_distances(args.data / "gt.bin", args.queries, args.k)
    faiss.omp_set_num_threads(args.threads)
    index = faiss.IndexFlatL2(base.shape[1])
    index.add(base)
    index.search(queries[:50], args.k)  # threads and pages are warm

    with tempfile.TemporaryDirectory() as folder:
        database = os.path.join(folder, "sift.rox")
        subprocess.run([args.roxanne, "import", database, args.data / "base.u8bin", "--no-index"], check=True,
                       stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        ours, theirs = [], []
        for number in range(args.rounds):
            result = run_roxanne(args, database)
            started = time.perf_counter()
            distances, _ = index.search(queries, args.k)
            theirs.append(time.perf_counter() - started)
            ours.append(result["seconds"])
            assert result["recall"] == 1.0, result
            assert np.allclose(distances, truth, rtol=1e-4, atol=64), "FAISS disagrees"
            print(f"round {number + 1}: roxanne {ours[-1]:.3f} s   faiss {theirs[-1]:.3f} s")
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"faiss {faiss.__version__}, {args.queries} queries, {args.threads} threads: "
          f"medians roxanne {statistics.median(ours):.3f} s, faiss {statistics.median(theirs):.3f} s; "
          f"roxanne is {ratio:.2f}x as fast")


if __name__ == "__main__":
    main()
