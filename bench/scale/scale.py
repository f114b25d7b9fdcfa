"""Measures the disk regime as a set grows: README.md says what each figure is.

    bench/scale/run build/release DATA/sift-1m/base.u8bin DATA/sift-1m/query.u8bin WORK
    bench/scale/run ... --sizes 100000,300000 --reuse
    bench/scale/run ... --sizes 10000000 --database 10000000=ten.rox
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

import measured

MIB = 1 << 20
BYTES_PER_VECTOR = 64
# The program itself, RocksDB and search buffers want room: below this, nothing is served from disk.
SERVE_MIB_LEAST = 40
BUILD_BYTES = (256 * MIB, 1024 * MIB)  # tried in turn where 64 bytes a vector are not enough
LIST_SIZES = (10, 11, 12, 13, 15, 17, 19, 22, 25, 29, 34, 40, 48, 57, 68, 80, 96, 113, 135, 160, 226, 320)
RECALLS = (0.90, 0.95, 0.99, 0.995)
COUNTED_QUERIES = 1000
THREADS_OF_SPEED = 2
BATCH = 512
PROBE_DEPTHS = (32, 64, 128)
HERE = pathlib.Path(__file__).resolve().parent
COUNTS = {"reads": "reads_per_query", "rounds": "read_rounds_per_query", "hops": "hops_per_query",
          "distances": "distance_computations_per_query"}


def say(text):
    print(text, file=sys.stderr, flush=True)


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def interpolate(points, recall):
    """Counts at a recall, linear in the logarithm of what is missed; None where it is not reached."""
    points = sorted(points, key=lambda point: point["recall"])
    for low, high in zip(points, points[1:]):
        if low["recall"] <= recall <= high["recall"] and high["recall"] > low["recall"]:
            missed = [math.log(max(1e-6, 1 - value)) for value in (low["recall"], recall, high["recall"])]
            share = (missed[1] - missed[0]) / (missed[2] - missed[0])
            return {name: low[name] + share * (high[name] - low[name])
                    for name in (*COUNTS, "search_list_size")}
    return None


class Size:
    """The files and commands of one size."""

    def __init__(self, arguments, rows):
        self.arguments, self.rows = arguments, rows
        self.folder = arguments.work / str(rows)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = arguments.databases.get(rows, self.folder / "db.rox")
        self.is_given = rows in arguments.databases
        self.budget = BYTES_PER_VECTOR * rows
        self.serve = max(self.budget // MIB * MIB, arguments.serve_least * MIB)
        # The system's own pages for the process are counted by the group too.
        self.group_limit = max(self.budget, self.serve) + 8 * MIB

    def command(self, verb, *words):
        return [self.arguments.build / "roxanne", verb, *words]

    def base(self):
        """The file of vectors: the input, its first rows, or a grown one."""
        with open(self.arguments.base, "rb") as file:
            rows, dim = (int.from_bytes(file.read(4), "little") for _ in range(2))
            if self.rows == rows:
                return self.arguments.base
            path = self.folder / "base.u8bin"
            if path.exists():
                return path
            if self.rows < rows:
                content = file.read(self.rows * dim)
                path.write_bytes(self.rows.to_bytes(4, "little") + dim.to_bytes(4, "little") + content)
                return path
        given = self.arguments.bases.get(self.rows)
        if given is not None:
            return given
        partial = path.with_suffix(".partial.u8bin")
        subprocess.run([sys.executable, HERE / "grow_sift.py", self.arguments.base, str(self.rows), partial],
                       check=True, stdout=sys.stderr)
        partial.rename(path)
        return path

    def truth(self):
        """Of all queries, 10 neighbours each: little memory for `eval`."""
        path = self.folder / "gt10.bin"
        if not path.exists():
            subprocess.run(self.command("ground-truth", path, "--base", self.base(), "--query",
                                        self.arguments.query, "--k", "10"), check=True)
        return path

    def evaluate(self, list_sizes, threads, batch, limit, cold=True):
        words = [self.database, "--query", self.arguments.query, "--ground-truth", self.truth(),
                 "--search-list-size", ",".join(map(str, list_sizes)), "--threads", threads, "--batch", batch,
                 "--memory-limit", self.serve, "--json"]
        words += ["--limit", limit] if limit else []
        taken = measured.run(self.command("eval", *words, *(["--cold"] if cold else [])), self.group_limit)
        rows = json_lines(taken.pop("output"))
        if any(row["regime"] != "disk" for row in rows):
            raise RuntimeError(f"{self.database}: not searched on disk: {rows[0]['regime']}")
        return rows, taken


def build_limits(size):
    """(--memory-limit, limit of the group, serves with less) to be tried in turn."""
    # What the system counts for the process beside its own memory wants room too.
    limits = [(size.budget // MIB * MIB * 15 // 16, size.budget)]
    limits += [(limit, limit + limit // 8) for limit in BUILD_BYTES if limit > size.budget]
    return [limit for limit in limits if limit[0] >= 32 * MIB]


def step_import(size):
    """Database from file, with its index."""
    if size.is_given:
        return {"note": f"made before: {size.database}"}
    refused = []
    for limit, group in build_limits(size):
        subprocess.run(["rm", "-rf", size.database], check=True)
        measured.drop_page_cache()
        try:
            taken = measured.run(
                size.command("import", size.database, size.base(), "--memory-limit", limit, "--serve-memory",
                             size.serve, "--threads", size.arguments.threads, "--json"),
                group, sees_phases=True)
        except (measured.Killed, RuntimeError) as error:
            refused.append(f"{limit} bytes: {error}")
            continue
        row = json_lines(taken.pop("output"))[-1]
        if row["regime"] == "disk":
            return {**taken, "memory_limit_bytes": limit, "refused": refused, "rows_seconds": row["seconds"],
                    "index_seconds": row["index_seconds"], "threads": size.arguments.threads}
        refused.append(f"{limit} bytes: {row['regime']}")
    raise RuntimeError(f"no index on disk: {refused}")


def step_info(size):
    """Memory by part with the graph loaded, and bytes on disk."""
    taken = measured.run(size.command("info", size.database, "--load", "--json", "--memory-limit", size.serve),
                         size.group_limit)
    info = json_lines(taken["output"])[0]
    collection = info["collections"][0]
    parts = {part["name"]: part["bytes"] for part in info["memory"] + collection["memory"]}
    graph = collection["index"]["bytes_on_disk"]
    return {"memory_bytes": parts, "rss_bytes": info["resident_set_bytes"], "regime": collection["regime"],
            "list_size": collection["index"]["search_list_size"], "disk_bytes": info["bytes_on_disk"],
            "graph_disk_bytes": graph, "memory_limit_bytes": info["memory_limit_bytes"]}


def step_sweep(size):
    """Counts against recall, each query by itself, nothing cached."""
    points = []
    for list_size in LIST_SIZES:
        rows, _ = size.evaluate([list_size], THREADS_OF_SPEED, 256, COUNTED_QUERIES)
        row = rows[0]
        points.append({"search_list_size": list_size, "recall": row["recall"],
                       **{name: row[key] for name, key in COUNTS.items()}})
        if row["recall"] >= max(RECALLS) + 0.0005:
            break
    at = {str(recall): interpolate(points, recall) for recall in RECALLS}
    return {"points": points, "at": at}


def list_size_at(results, recall):
    for point in results["sweep"]["points"]:
        if point["recall"] >= recall:
            return point["search_list_size"]
    return results["sweep"]["points"][-1]["search_list_size"]


def pages_of(size):
    files = sorted(pathlib.Path(size.database).glob("collections/*/*.pages"))
    return max(files, key=lambda path: path.stat().st_size)


def probe(size, threads):
    """Reads a second of the page file, the best of some depths."""
    best = 0
    for depth in PROBE_DEPTHS:
        printed = subprocess.run(
            [size.arguments.build / "bench" / "disk_probe", pages_of(size), "--depth", str(depth), "--threads",
             str(threads), "--seconds", "1", "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
        best = max(best, *(row["iops"] for row in json_lines(printed)))
    return best


def step_speed(size, results):
    """Queries a second beside the disk's reads a second, in turns."""
    list_size = list_size_at(results, 0.95)
    answer = {"search_list_size": list_size, "batch": BATCH}
    for threads in (1, THREADS_OF_SPEED):
        probes, rates = [probe(size, threads)], []
        for _ in range(3):
            rows, _ = size.evaluate([list_size] * 2, threads, BATCH, None)
            rates.append(rows[1]["qps"])
            probes.append(probe(size, threads))
        iops, qps = statistics.median(probes), statistics.median(rates)
        answer[f"threads_{threads}"] = {
            "iops": probes, "qps": rates, "reads_per_query": rows[1]["reads_per_query"],
            "recall": rows[1]["recall"], "share": qps * rows[1]["reads_per_query"] / iops,
            "cpu_us_per_query": rows[1]["seed_us_per_query"] + rows[1]["walk_us_per_query"]
            + rows[1]["result_us_per_query"]}
    return answer


def step_latency(size, results):
    rows, _ = size.evaluate([list_size_at(results, 0.95)] * 2, 1, 1, COUNTED_QUERIES)
    kept = ("latency_us_p50", "latency_us_p99", "read_rounds_per_query", "reads_per_query", "recall",
            "seed_us_per_query", "walk_us_per_query", "read_wait_us_per_query")
    return {name: rows[1][name] for name in kept}


def step_minute(size, results):
    """Memory of the process while two threads search for a minute, pages cached as memory allows."""
    list_size = list_size_at(results, 0.95)
    with open(size.arguments.query, "rb") as file:
        query_count = int.from_bytes(file.read(4), "little")
    passes = max(2, math.ceil(60 * results["speed"][f"threads_{THREADS_OF_SPEED}"]["qps"][-1] / query_count))
    rows, taken = size.evaluate([list_size] * passes, THREADS_OF_SPEED, BATCH, None, cold=False)
    return {**{name: value for name, value in taken.items() if name != "phase_seconds"},
            "rss_bytes_per_vector": taken["peak_rss_bytes"] / size.rows, "queries": query_count * passes,
            "qps": statistics.median(row["qps"] for row in rows),
            "reads_per_query": rows[-1]["reads_per_query"],
            "cache_hits_per_query": rows[-1]["cache_hits_per_query"]}


def step_open(size):
    seconds, dropped = [], True
    for _ in range(3):
        dropped = measured.drop_page_cache() and dropped
        started = time.perf_counter()
        subprocess.run(size.command("search", size.database, "--query", size.arguments.query, "--row", "0",
                                    "--memory-limit", str(size.serve), "--json"),
                       check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    return {"seconds": statistics.median(seconds), "page_cache_dropped": dropped}


def measure(size, results, save):
    steps = {"import": lambda: step_import(size), "info": lambda: step_info(size),
             "open": lambda: step_open(size), "sweep": lambda: step_sweep(size),
             "speed": lambda: step_speed(size, results), "latency": lambda: step_latency(size, results),
             "minute": lambda: step_minute(size, results)}
    results["serve_memory_limit_bytes"] = size.serve
    for name, step in steps.items():
        if name in results or name not in size.arguments.steps:
            continue
        say(f"{size.rows:,}: {name}")
        results[name] = step()
        save()


def cell(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def counts_cell(at):
    if at is None:
        return "-"
    return f"{at['reads']:.1f} / {at['rounds']:.1f} / {at['distances']:,.0f} / {at['hops']:.0f}"


def table(all_results):
    """Markdown: a column a size."""
    sizes = sorted(all_results, key=int)
    rows = [["vectors", *(f"{int(size):,}" for size in sizes)]]

    def add(name, value):
        cells = []
        for size in sizes:
            try:
                cells.append(value(all_results[size], int(size)))
            except (KeyError, TypeError):
                cells.append("-")
        rows.append([name, *cells])

    for recall in RECALLS:
        add(f"reads / rounds / comparisons / hops at {recall}",
            lambda r, n, recall=recall: counts_cell(r["sweep"]["at"][str(recall)]))
    for threads in (1, THREADS_OF_SPEED):
        key = f"threads_{threads}"
        add(f"queries/s at 0.95, {threads} thread(s)",
            lambda r, n, key=key: cell(statistics.median(r["speed"][key]["qps"]), 0))
        add("device reads/s", lambda r, n, key=key: cell(statistics.median(r["speed"][key]["iops"]), 0))
        add("share", lambda r, n, key=key: cell(r["speed"][key]["share"], 2))
    add("lone query p50 / p99, us", lambda r, n: cell(r["latency"]["latency_us_p50"], 0) + " / "
        + cell(r["latency"]["latency_us_p99"], 0))
    add("its rounds", lambda r, n: cell(r["latency"]["read_rounds_per_query"]))
    add("code bytes", lambda r, n: cell(r["info"]["memory_bytes"]["codes"] / n))
    add("peak resident bytes a vector, a minute of searches", lambda r, n: cell(r["minute"]["rss_bytes_per_vector"]))
    add("limit of the group, bytes a vector", lambda r, n: cell(r["minute"]["cgroup_limit_bytes"] / n))
    add("open to first answer, s", lambda r, n: cell(r["open"]["seconds"], 2))
    add("import, s", lambda r, n: cell(r["import"]["seconds"]))
    add("peak resident bytes a vector, import", lambda r, n: cell(r["import"]["peak_rss_bytes"] / n))
    add("bytes on disk a vector", lambda r, n: cell(r["info"]["disk_bytes"] / n))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * len(sizes))
    return "\n".join(lines)


def sized_paths(texts):
    pairs = (text.split("=", 1) for text in texts)
    return {int(size): pathlib.Path(path) for size, path in pairs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="folder with roxanne and bench/disk_probe")
    parser.add_argument("base", type=pathlib.Path)
    parser.add_argument("query", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--sizes", default="100000,300000,1000000,10000000")
    parser.add_argument("--threads", type=int, default=2, help="of imports")
    parser.add_argument("--serve-least", type=int, default=SERVE_MIB_LEAST, metavar="MIB",
                        help="serve with so much even where 64 bytes a vector are less (%(default)s)")
    parser.add_argument("--steps", default="import,info,open,sweep,speed,latency,minute",
                        help="only these of %(default)s, in this order")
    parser.add_argument("--reuse", action="store_true", help="keep what results.json has")
    parser.add_argument("--database", action="append", default=[], metavar="SIZE=PATH",
                        help="measure this one; it is not written to")
    parser.add_argument("--grown-base", action="append", default=[], metavar="SIZE=PATH",
                        help="its vectors, where they are there already")
    arguments = parser.parse_args()
    arguments.steps = arguments.steps.split(",")
    arguments.databases, arguments.bases = sized_paths(arguments.database), sized_paths(arguments.grown_base)
    arguments.work.mkdir(parents=True, exist_ok=True)
    path = arguments.work / "results.json"
    all_results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def save():
        path.write_text(json.dumps(all_results, indent=1), encoding="utf-8")

    for rows in map(int, arguments.sizes.split(",")):
        if not arguments.reuse:
            all_results.pop(str(rows), None)
        measure(Size(arguments, rows), all_results.setdefault(str(rows), {}), save)
    print(table(all_results))


if __name__ == "__main__":
    main()
