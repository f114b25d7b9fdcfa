"""Roxanne against hnswlib, FAISS, usearch and others: recall and speed, one thread, one processor, one run.

    bench/peers/run build/release/roxanne ../shared/data/sift-1m ../shared/data/docs-minilm

Builds every index once, then searches them all in rounds: each round measures every system at every setting,
and the best of the rounds counts. Prints Markdown tables; writes results.json and curves-NAME.svg.
"""
import one_thread  # noqa: F401

import argparse
import dataclasses
import datetime
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

import numpy as np

import chart
import processes
import report
import roxanne
import self_check
import systems
import vectors

METRICS = {"docs-minilm": "ip"}  # the others: l2
RECALL_ENOUGH = 0.995
RECALL_NONSENSE = 0.5  # no system stays below this at its best unless something is wrong
RECALL_DRIFT = 0.002
# What of a recorded build must be the same for it to be reused.
SAME_BUILD = ("rows", "metric", "parameters", "version")


@dataclasses.dataclass(frozen=True)
class Case:
    """One data set, ready to be searched."""
    name: str
    folder: pathlib.Path
    base: vectors.VectorFile
    query: vectors.VectorFile
    truth_path: str
    metric: str


def say(text):
    print(text, file=sys.stderr, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/peers/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roxanne", nargs="?", help="the roxanne binary")
    parser.add_argument("data", nargs="*", type=pathlib.Path, help="folders with base.*, query.*, gt.bin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=2000, help="taken evenly from all of the set")
    parser.add_argument("--limit", type=int, help="only the first N base vectors")
    parser.add_argument("--peers", default="",
                        help=f"keys or their beginnings, with commas; of {', '.join(systems.SYSTEMS)} "
                             "(default: all but diskann)")
    parser.add_argument("--metric", choices=("l2", "ip"), help="default: known for the data sets, else l2")
    parser.add_argument("--cpu", type=int, default=1, help="the processor to run on")
    parser.add_argument("--memory-limit", default="8GiB", help="Roxanne's")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/peers"))
    parser.add_argument("--reuse", action="store_true", help="keep peers' indexes of an earlier run")
    parser.add_argument("--plot-only", type=pathlib.Path, metavar="RESULTS.json",
                        help="print the tables and draw the charts of an earlier run")
    args = parser.parse_args()
    if args.plot_only is None and (args.roxanne is None or not args.data):
        parser.error("want the roxanne binary and at least one data folder")
    return args


# What takes part


def is_installed(system):
    module = system.library().module
    if system.python() == sys.executable:
        return importlib.util.find_spec(module) is not None
    probe = [system.python(), "-c", f"import {module}"]
    return os.path.exists(system.python()) and \
        subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def installed_version(system):
    """As pip knows it; asked of the interpreter that has the library."""
    distribution = system.library().distribution
    if system.python() == sys.executable:
        return importlib.metadata.version(distribution)
    question = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    return subprocess.run([system.python(), "-c", question], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def choose_peers(words):
    """The systems asked for; those of the default that are not installed are left out."""
    if not words:
        chosen = [system for system in systems.SYSTEMS.values() if system.by_default]
        for system in chosen:
            if not is_installed(system):
                say(f"without {system.label}: {system.library().module} is not installed")
        return [system for system in chosen if is_installed(system)]
    beginnings = [word.strip() for word in words.split(",")]
    for beginning in beginnings:
        if not any(key.startswith(beginning) for key in systems.SYSTEMS):
            raise SystemExit(f"--peers {beginning}: there is {', '.join(systems.SYSTEMS)}")
    # A whole key means that system alone, though others begin with it.
    chosen = [system for key, system in systems.SYSTEMS.items()
              if key in beginnings or key.startswith(tuple(set(beginnings) - set(systems.SYSTEMS)))]
    for system in chosen:
        if not is_installed(system):
            raise SystemExit(f"--peers {system.key}: {system.library().module} is not installed")
    return chosen


# Preparation


def take_queries(queries, count):
    """Row numbers, evenly over the file: some sets have several kinds of queries one after the other."""
    return np.arange(min(count, queries.rows)) * queries.rows // min(count, queries.rows)


def prepare_case(folder, args):
    """Writes the queries and the exact answers that all systems are given."""
    name = folder.resolve().name
    metric = args.metric or METRICS.get(name, "l2")
    base = vectors.find_vectors(folder, "base", args.limit)
    queries = vectors.find_vectors(folder, "query")
    if args.limit is not None and base.rows == args.limit:
        name += f"-{base.rows}"
    case_folder = args.out / name
    case_folder.mkdir(parents=True, exist_ok=True)
    chosen = take_queries(queries, args.queries)
    rows = queries.read()[chosen]
    if base.rows < vectors.open_vectors(base.path).rows:
        say(f"[{name}] exact neighbours of {len(rows)} queries")
        ids, distances = vectors.exact_neighbors(metric, rows, base, systems.K)
    else:
        ids, distances = vectors.read_truth(folder / "gt.bin")
        ids, distances = ids[chosen, :systems.K], distances[chosen, :systems.K]
        vectors.check_stored_truth(metric, rows, base.mapped(), ids, distances)
    query_path = case_folder / pathlib.Path(queries.path).name
    vectors.write_vectors(query_path, rows)
    vectors.write_truth(case_folder / "gt.bin", ids, distances)
    return Case(name, case_folder, base, vectors.open_vectors(query_path), str(case_folder / "gt.bin"),
                metric)


# Building


def build_peer(system, case, reuse):
    """The record of a build; the index itself stays in the case's folder."""
    folder = case.folder / system.index_key()
    record_path = folder / "build.json"
    wanted = {"rows": case.base.rows, "metric": case.metric, "parameters": system.parameters(case.base),
              "version": installed_version(system)}
    if record_path.exists():
        record = json.loads(record_path.read_text(encoding="utf-8"))
        if reuse and all(record.get(name) == wanted[name] for name in SAME_BUILD):
            return {**record, "reused": True}
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "index").mkdir(parents=True)
    answer = processes.run_job(system.python(), {
        "action": "build", "system": system.key, "base": case.base.path, "rows": case.base.rows,
        "metric": case.metric, "folder": str(folder / "index")}, folder)
    record = {**answer, **wanted, "index_bytes": systems.folder_bytes(folder / "index")}
    record_path.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return {**record, "reused": False}


def describe(record):
    return (f"{record['build_seconds']:.1f} s, {record['peak_rss_bytes'] / report.MEGABYTE:.0f} MB peak, "
            f"{record['index_bytes'] / report.MEGABYTE:.0f} MB on disk"
            + (" (reused)" if record["reused"] else ""))


def build_all(case, peers, args):
    """key -> what the table needs; a peer that fails stays out of the searches."""
    say(f"[{case.name}] import into roxanne")
    built = {roxanne.KEY: {"label": "Roxanne", "batched": False, "points": [],
                           **roxanne.build(args.roxanne, case, args.memory_limit)}}
    say(f"[{case.name}] roxanne: {describe(built[roxanne.KEY])}")
    records = {}
    for system in peers:
        entry = {"label": system.label, "batched": system.batched, "points": []}
        try:
            if system.index_key() not in records:
                say(f"[{case.name}] build {system.index_key()}")
                records[system.index_key()] = build_peer(system, case, args.reuse)
                say(f"[{case.name}] {system.index_key()}: {describe(records[system.index_key()])}")
            entry.update(records[system.index_key()], parameters=system.shown_parameters(case.base))
        except (RuntimeError, OSError) as error:
            say(f"[{case.name}] {system.key} FAILED: {error}")
            entry["failed"] = "build"
        built[system.key] = entry
    return built


# Searching


def search_once(key, case, args, ladders):
    """Each setting once; in the first round `ladders` is None and the system's own are climbed."""
    job = {"action": "search", "ladders": ladders, "recall_max": None if ladders else RECALL_ENOUGH}
    if key == roxanne.KEY:
        return roxanne.search(args.roxanne, case, args.memory_limit, job)
    system = systems.SYSTEMS[key]
    folder = case.folder / system.index_key()
    return processes.run_job(system.python(), {
        **job, "system": key, "base": case.base.path, "rows": case.base.rows, "query": case.query.path,
        "truth": case.truth_path, "metric": case.metric, "folder": str(folder / "index")}, folder)["points"]


def check_points(key, points):
    """No figure that cannot be is let into a table."""
    if not points:
        raise SystemExit(f"{key}: no measurement at all")
    for point in points:
        if not (0 < point["qps"] < 1e8 and 0 <= point["recall"] <= 1):
            raise SystemExit(f"{key}: nonsense: {point}")
    if max(point["recall"] for point in points) < RECALL_NONSENSE:
        raise SystemExit(f"{key}: recall never above {RECALL_NONSENSE}: wrong metric or wrong rows?")


def keep_best(kept, points):
    """Joins a round to those before it: the best speed of each setting, all speeds beside it.

    One index gives one recall; a library that is not quite repeatable is held to its worse one."""
    if not kept:
        return [{**point, "qps_of_rounds": [point["qps"]]} for point in points]
    joined = []
    for old, new in zip(kept, points, strict=True):
        if old["setting"] != new["setting"] or abs(old["recall"] - new["recall"]) > RECALL_DRIFT:
            raise SystemExit(f"two rounds differ in more than speed: {old}, {new}")
        best = max(old, new, key=lambda point: point["qps"])
        joined.append({**best, "recall": min(old["recall"], new["recall"]),
                       "qps_of_rounds": [*old["qps_of_rounds"], new["qps"]]})
    return joined


def search_round(number, cases, args):
    """Every system at every setting, once."""
    for case, entries in cases:
        for key, entry in entries.items():
            if "failed" in entry:
                continue
            started = time.perf_counter()
            ladders = [[point["setting"] for point in entry["points"]]] if entry["points"] else None
            try:
                points = search_once(key, case, args, ladders)
            except (RuntimeError, OSError) as error:
                if key == roxanne.KEY:
                    raise
                say(f"[{case.name}] {key} FAILED: {error}")
                entry["failed"] = "search"
                continue
            check_points(key, points)
            entry["points"] = keep_best(entry["points"], points)
            say(f"[{case.name}] round {number}: {key}, {len(points)} settings, "
                f"recall {points[0]['recall']:.3f} to {points[-1]['recall']:.3f}, "
                f"{time.perf_counter() - started:.1f} s")


# Results


def processor_name():
    """The name, family and model that /proc/cpuinfo gives."""
    fields = {}
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields:
        name += f" (family {fields['cpu family']}, model {fields['model']})"
    return name + (", AVX-512" if "avx512f" in fields.get("flags", "") else "")


def case_results(case, entries):
    return {"name": case.name, "rows": case.base.rows, "dim": case.base.dim, "metric": case.metric,
            "type": systems.type_name(case.base), "queries": case.query.rows, "k": systems.K,
            "systems": entries}


def write_results(results, folder):
    text = json.dumps(results, indent=1)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")


def publish(results, folder):
    for case in results["cases"]:
        (folder / f"curves-{case['name']}.svg").write_text(chart.draw(case, results), encoding="utf-8")
    print(report.full_report(results))


def library_versions(cases):
    versions = {}
    for _, entries in cases:
        for key, entry in entries.items():
            if "version" in entry:
                name = key if key == roxanne.KEY else systems.SYSTEMS[key].library().distribution
                versions[name] = entry["version"]
    return versions


def main():
    args = parse_arguments()
    if args.plot_only is not None:
        results = json.loads(args.plot_only.read_text(encoding="utf-8"))
        publish(results, args.plot_only.parent)
        return
    peers = choose_peers(args.peers)
    processor_count = len(os.sched_getaffinity(0))
    processes.pin(args.cpu)
    args.out.mkdir(parents=True, exist_ok=True)
    if len({folder.resolve().name for folder in args.data}) < len(args.data):
        raise SystemExit("two data folders have one name")
    prepared = [prepare_case(folder, args) for folder in args.data]
    for case in prepared:
        say(f"[{case.name}] self-check passed: a weak graph has recall {self_check.check(case):.3f}")
    cases = [(case, build_all(case, peers, args)) for case in prepared]
    machine = {"cpu": processor_name(), "cpus": processor_count, "load_before": os.getloadavg()[0],
               "date": datetime.date.today().isoformat(), "python": platform.python_version()}
    for number in range(1, args.rounds + 1):
        search_round(number, cases, args)
        machine["load_after"] = os.getloadavg()[0]
        results = {"machine": machine, "cpu": args.cpu, "rounds_done": number,
                   "versions": library_versions(cases),
                   "cases": [case_results(case, entries) for case, entries in cases]}
        write_results(results, args.out)
    publish(results, args.out)
    if any("failed" in entry for _, entries in cases for entry in entries.values()):
        raise SystemExit("some peers failed: see above")


if __name__ == "__main__":
    main()
