#!/usr/bin/env python3
"""Python against the command line tool, in one run on one machine.

    bench/python/main.py --roxanne build/release/roxanne --data DIR --folder DIR [--indexed]

DIR of --data has base.u8bin, query.u8bin and gt.bin. Import: the rows as a numpy array in batches, against
`roxanne import --no-index` (with --indexed: both to the end of the graph); both read the file, Python as a memory map. Search:
the median of single queries against that of `roxanne eval`, then batches on one thread and on two.
Alternates the two, --rounds times, and prints medians, one JSON object a line.
"""
import argparse
import json
import pathlib
import resource
import shutil
import statistics
import subprocess
import time

import numpy as np

import roxanne

BATCH = 32_768
K = 10


def read_u8bin(path):
    rows, dim = np.fromfile(path, np.int32, 2)
    return np.fromfile(path, np.uint8, offset=8).reshape(rows, dim)


def timed(call):
    """Wall and CPU seconds of this process and its children."""
    def cpu():
        return sum(part for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
                   for part in resource.getrusage(who)[:2])
    start, cpu_start = time.perf_counter(), cpu()
    call()
    return {"seconds": time.perf_counter() - start, "cpu_seconds": cpu() - cpu_start}


def import_with_python(folder, base_path, indexed):
    shutil.rmtree(folder, ignore_errors=True)
    with roxanne.open(folder, automatic_index=False) as db:
        dim = int(np.fromfile(base_path, np.int32, 2)[1])
        rows = np.memmap(base_path, np.uint8, "r", 8).reshape(-1, dim)
        points = db.create_collection(dim=rows.shape[1], dtype="u8")
        keys = np.arange(len(rows), dtype=np.uint64)
        for first in range(0, len(rows), BATCH):
            points.upsert(keys[first:first + BATCH], rows[first:first + BATCH])
        if indexed:
            points.build_index()


def import_with_tool(tool, folder, base_path, indexed):
    shutil.rmtree(folder, ignore_errors=True)
    extra = [] if indexed else ["--no-index"]
    subprocess.run([tool, "import", folder, base_path, "--metric", "l2", *extra], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tool_latency_us(tool, folder, query_path, truth_path):
    """p50 of single queries in C++, as `roxanne eval` measures it."""
    done = subprocess.run([tool, "eval", folder, "--query", query_path, "--ground-truth", truth_path,
                           "--k", str(K), "--search-list-size", "40", "--threads", "1", "--json"],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[0])["latency_us_p50"]


def single_latency_us(points, queries):
    times = []
    for query in queries:
        start = time.perf_counter_ns()
        points.search(query, K, search_list_size=40, threads=1)
        times.append((time.perf_counter_ns() - start) / 1000)
    return statistics.median(times)


def batch_seconds(points, queries, threads):
    return timed(lambda: points.search(queries, K, search_list_size=40, threads=threads))["seconds"]


def medians(rounds):
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def show(result):
    print(json.dumps(result), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roxanne", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--indexed", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    base, query = arguments.data / "base.u8bin", arguments.data / "query.u8bin"
    by_python, by_tool = arguments.folder / "python.rox", arguments.folder / "tool.rox"
    python_rounds, tool_rounds = [], []
    for _ in range(arguments.rounds):
        tool_rounds.append(timed(lambda: import_with_tool(arguments.roxanne, by_tool, base,
                                                          arguments.indexed)))
        python_rounds.append(timed(lambda: import_with_python(by_python, base,
                                                              arguments.indexed)))
    show({"import_tool": medians(tool_rounds), "import_python": medians(python_rounds)})

    queries = read_u8bin(query)
    latencies = {"tool": [], "python": []}
    with roxanne.open(by_python) as db:
        db["default"].build_index()
    truth = arguments.data / "gt.bin"
    for _ in range(arguments.rounds):
        latencies["tool"].append(tool_latency_us(arguments.roxanne, by_python, query, truth))
        with roxanne.open(by_python, read_only=True) as db:
            points = db["default"]
            points.search(queries[:100])  # loads the graph
            latencies["python"].append(single_latency_us(points, queries))
    show({"single_query_us_p50": {name: statistics.median(all_) for name, all_ in
                                  latencies.items()}})
    with roxanne.open(by_python, read_only=True) as db:
        points = db["default"]
        points.search(queries[:100])
        rounds = [{f"threads_{threads}": batch_seconds(points, queries, threads)
                   for threads in (1, 2)} for _ in range(arguments.rounds)]
    show({"batch_seconds": medians(rounds)})


if __name__ == "__main__":
    main()
