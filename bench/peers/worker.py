"""One library at work in a process of its own: worker.py JOB.json, which says where the answer goes.

A job builds an index into a folder, or loads it and searches it at a list of settings.
"""
import one_thread  # noqa: F401

import json
import pathlib
import sys
import time

import systems
import vectors

WARM_UP_QUERIES = 200


def build(job):
    """Builds and saves. Importing the library is in neither time; reading the vectors, a copy from the page
    cache, and turning them into the library's type is in the first."""
    library = systems.SYSTEMS[job["system"]].library()
    __import__(library.module)
    base = vectors.open_vectors(job["base"], job["rows"])
    folder = pathlib.Path(job["folder"])
    started, cpu_started = time.perf_counter(), time.process_time()
    library.build(base, job["metric"])
    built, cpu_built = time.perf_counter(), time.process_time()
    library.save(folder)
    saved = time.perf_counter()
    return {"build_seconds": built - started, "save_seconds": saved - built,
            "build_cpu_share": (cpu_built - cpu_started) / (built - started)}


def timed_search(library, setting):
    """(answers, seconds, the share of them in which this process had the processor)."""
    library.set(setting)
    started, cpu_started = time.perf_counter(), time.process_time()
    ids = library.search()
    cpu_seconds, seconds = time.process_time() - cpu_started, time.perf_counter() - started
    return ids, seconds, min(1.0, cpu_seconds / seconds)


def warm_up(system, library, queries, setting):
    """Some queries at this setting: code, tables and the upper part of a graph are in the caches.

    All of them for a system whose buffers grow with the batch: it should have them already."""
    library.prepare(queries if system.batched else queries[:WARM_UP_QUERIES])
    timed_search(library, setting)
    library.prepare(queries)


def search(job):
    """Measures each ladder of settings from low to high, until the recall asked for is there."""
    system = systems.SYSTEMS[job["system"]]
    library = system.library()
    base = vectors.open_vectors(job["base"], job["rows"])
    query_file = vectors.open_vectors(job["query"])
    queries, truth = query_file.read(), vectors.read_truth(job["truth"])[0][:, :systems.K]
    library.load(pathlib.Path(job["folder"]), base, job["metric"])
    library.prepare(queries)
    ladders = job["ladders"] or library.ladders(base)
    timed_search(library, ladders[0][0])  # all pages of the index that matter are in memory
    points = []
    for ladder in ladders:
        climbed = []
        for setting in ladder:
            warm_up(system, library, queries, setting)
            ids, seconds, cpu_share = timed_search(library, setting)
            recall = vectors.measure_recall(job["metric"], queries, base.mapped(), truth, ids)
            climbed.append({"setting": setting, "recall": recall, "qps": len(queries) / seconds,
                            "cpu_share": cpu_share})
            if systems.is_climbed(climbed, job["recall_max"]):
                break
        points += climbed
    return {"points": points}


def main():
    job = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    answer = build(job) if job["action"] == "build" else search(job)
    pathlib.Path(job["answer"]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
