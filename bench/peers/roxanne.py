"""Roxanne through its command line tool: import timed as a whole process, searches by `roxanne eval`."""
import json
import shutil
import subprocess

import processes
import systems

KEY = "roxanne"


def version(binary):
    words = subprocess.run([binary, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return words.split()[-1]


def build(binary, case, memory_limit):
    """Imports the base into a new database; everything until the first search can be answered."""
    folder = case.folder / KEY
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    database = folder / "db.rox"
    command = [binary, "import", database, case.base.path, "--metric", case.metric, "--limit",
               case.base.rows, "--threads", 1, "--memory-limit", memory_limit, "--json"]
    taken = processes.measure(command, folder / "measured.json")
    return {"build_seconds": taken["seconds"], "save_seconds": 0.0, "version": version(binary),
            "peak_rss_bytes": taken["peak_rss_bytes"], "index_bytes": systems.folder_bytes(database),
            "parameters": f"{systems.type_name(case.base)}, 1 query a call, all defaults",
            "reused": False}


def rows_of(lines):
    """The JSON objects of an eval: one a line as they come, or an array."""
    kept = []
    for line in lines:
        kept.append(line)
        try:
            value = json.loads("".join(kept))
        except json.JSONDecodeError:
            continue  # an array over several lines: the rest is to come
        kept = []
        yield from value if isinstance(value, list) else [value]
    if "".join(kept).strip():
        raise RuntimeError(f"roxanne eval printed what is not JSON: {''.join(kept)[:200]}")


def eval_command(binary, case, memory_limit, sizes):
    return [binary, "eval", case.folder / KEY / "db.rox", "--query", case.query.path, "--ground-truth",
            case.truth_path, "--k", systems.K, "--search-list-size", ",".join(map(str, sizes)),
            "--threads", 1, "--limit", case.query.rows, "--memory-limit", memory_limit, "--json"]


def search(binary, case, memory_limit, job):
    """Like worker.search: each setting once, low to high, until the recall asked for is there.

    The first setting is asked for twice and its first answer thrown away: that is the warm-up.
    """
    sizes = [setting["search_list_size"] for setting in
             (job["ladders"] or systems.graph_ladders("search_list_size"))[0]]
    command = eval_command(binary, case, memory_limit, sizes[:1] + sizes)
    points = []
    # What it says when it is ended early is no news; what it says when it fails is.
    log_path = case.folder / KEY / "eval.log"
    with open(log_path, "w", encoding="utf-8") as log, \
            subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=log,
                             text=True) as child:
        for number, row in enumerate(rows_of(child.stdout)):
            if row.get("ground_truth_distances_match") is False:
                child.terminate()
                raise RuntimeError("Roxanne's distances are not those of the ground truth")
            if number == 0:
                continue
            points.append({"setting": {"search_list_size": row["search_list_size"]},
                           "recall": row["recall"], "qps": row["qps"]})
            if systems.is_climbed(points, job["recall_max"]):
                child.terminate()  # the other settings are not needed
                break
        else:
            if child.wait() != 0 or len(points) != len(sizes):
                raise RuntimeError(f"roxanne eval ended with {child.returncode} after {len(points)} rows: "
                                   + log_path.read_text(encoding="utf-8").strip())
    return points
