"""Import, search, update, and the curve of recall against work, over the sample of this repository.

    python bindings/python/examples/passages.py [--sample sample] [--folder passages.rox] [--plot FILE]

6,000 passages of documentation and novels as vectors. FOLDER, which must be new, keeps the database;
without it the database is gone at the end. A plot needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import tempfile
import time

import numpy as np
import numpy.typing as npt

import roxanne

K = 10


def read_f16bin(path: pathlib.Path) -> npt.NDArray[np.float16]:
    """Rows of a .f16bin: two int32, then the rows."""
    rows, dim = np.fromfile(path, np.int32, 2)
    return np.fromfile(path, np.float16, offset=8).reshape(rows, dim)


def read_truth(path: pathlib.Path) -> npt.NDArray[np.float32]:
    """The distances of a gt.bin, nearest first."""
    queries, k = np.fromfile(path, np.int32, 2)
    return np.fromfile(path, np.float32, offset=8 + queries * k * 4).reshape(queries, k)


def show(passages: roxanne.Collection, query: npt.NDArray[np.float16], text: str) -> None:
    print(f"\n{text}")
    for neighbor in passages.search_points(query, k=3):
        title = (neighbor.payload or {}).get("row", "?")
        print(f"  {neighbor.distance:8.4f}  row {title}")


def update(passages: roxanne.Collection, query: npt.NDArray[np.float16]) -> None:
    """A point is found as soon as it is written, and no more once it is deleted."""
    before = len(passages)
    counts = passages.upsert(10**9, query, [{"row": "new"}])
    nearest, _ = passages.search(query, k=1)
    print(f"\n{counts}; the nearest now is {nearest[0]}")
    assert nearest[0] == 10**9 and passages.delete([10**9]) == 1 and len(passages) == before


def recall_curve(passages: roxanne.Collection, queries: npt.NDArray[np.float16],
                 truth: npt.NDArray[np.float32]) -> list[tuple[int, float, float]]:
    """(search_list_size, recall@10, queries a second) of each setting."""
    curve = []
    for size in (10, 14, 20, 28, 40, 80):
        start = time.perf_counter()
        _, distances = passages.search(queries, k=K, search_list_size=size, threads=1)
        seconds = time.perf_counter() - start
        # By distance: which of two equally near points is found does not matter.
        recall = float((distances <= truth[:, K - 1:K] + 1e-3).mean())
        curve.append((size, recall, len(queries) / seconds))
    return curve


def plot(curve: list[tuple[int, float, float]], path: str) -> None:
    import matplotlib.pyplot  # type: ignore[import-not-found,unused-ignore]

    figure, axes = matplotlib.pyplot.subplots()
    axes.plot([recall for _, recall, _ in curve], [rate for _, _, rate in curve], marker="o")
    axes.set_xlabel(f"recall@{K}")
    axes.set_ylabel("queries a second, one thread")
    figure.savefig(path)
    print(f"plotted to {path}")


def run(folder: pathlib.Path, base: npt.NDArray[np.float16], queries: npt.NDArray[np.float16],
        texts: list[str], truth: npt.NDArray[np.float32]) -> list[tuple[int, float, float]]:
    """Makes the database in `folder` and shows what it does; the curve of recall."""
    # Graphs pay from 10,000 points on; this set is smaller, and shall have one all the same.
    with roxanne.open(folder, memory_limit="1GiB", index_points_min=1000,
                      error_if_exists=True) as db:
        passages = db.create_collection(dim=base.shape[1], dtype=base.dtype, metric="ip")
        passages.upsert(np.arange(len(base)), base, [{"row": row} for row in range(len(base))])
        print(f"{len(passages):,} passages in {folder}")
        for query in (0, 1, 2):
            show(passages, queries[query], texts[query])
        update(passages, queries[0])
        passages.build_index()
        curve = recall_curve(passages, queries, truth)
        print(f"\n{passages.info()['regime']}: search_list_size, recall@{K}, queries a second")
        for size, recall, rate in curve:
            print(f"  {size:4d}  {recall:.4f}  {rate:10,.0f}")
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sample", type=pathlib.Path, default=pathlib.Path("sample"))
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--plot", metavar="FILE")
    arguments = parser.parse_args()
    base = read_f16bin(arguments.sample / "base.f16bin")
    queries = read_f16bin(arguments.sample / "query.f16bin")
    with (arguments.sample / "query_payload.jsonl").open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]

    with tempfile.TemporaryDirectory() as temporary:
        curve = run(arguments.folder or pathlib.Path(temporary) / "passages.rox", base, queries,
                    texts, read_truth(arguments.sample / "gt.bin"))
    if arguments.plot:
        plot(curve, arguments.plot)


if __name__ == "__main__":
    try:
        main()
    except roxanne.AlreadyExists as error:
        sys.exit(f"{error}: remove it first, or name another --folder")
