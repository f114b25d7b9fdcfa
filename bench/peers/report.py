"""Speeds at given recalls, and the Markdown tables."""
import math

RECALLS = (0.90, 0.95, 0.99)
MEGABYTE = 1e6
CPU_SHARE_MIN = 0.95  # below it, somebody else was running on the same processor


def frontier(points):
    """The points that no other beats in both recall and speed, by rising recall."""
    kept, fastest = [], 0.0
    for point in sorted(points, key=lambda point: (point["recall"], point["qps"]), reverse=True):
        if point["qps"] > fastest:
            kept.append(point)
            fastest = point["qps"]
    return kept[::-1]


def qps_at(points, recall):
    """(queries/s, is a lower bound): log-linear between neighbours on the frontier.

    Where the lowest setting already finds more, its speed is a lower bound; (None, False) where the
    recall is never reached.
    """
    curve = frontier(points)
    if not curve or curve[-1]["recall"] < recall:
        return None, False
    if curve[0]["recall"] >= recall:
        return curve[0]["qps"], curve[0]["recall"] > recall
    for low, high in zip(curve, curve[1:]):
        if low["recall"] < recall <= high["recall"]:
            share = (recall - low["recall"]) / (high["recall"] - low["recall"])
            return math.exp((1 - share) * math.log(low["qps"]) + share * math.log(high["qps"])), False
    raise AssertionError("a recall between two neighbours was not found")


def shown_qps(points, recall):
    qps, is_bound = qps_at(points, recall)
    return "never" if qps is None else f"{qps:,.0f}{'+' if is_bound else ''}"


def markdown(rows):
    """A table from rows of cells; the first is the head, its first two columns are words."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    marks = ["---"] * 2 + ["---:"] * (len(rows[0]) - 2)
    return "\n".join([lines[0], "| " + " | ".join(marks) + " |", *lines[1:]])


def system_row(key, system):
    label = f"**{system['label']}**" if key == "roxanne" else system["label"]
    if "failed" in system:
        return [label, f"failed: {system['failed']}"] + ["-"] * (3 + len(RECALLS))
    seconds = f"{system['build_seconds']:,.1f}" + (" (reused)" if system["reused"] else "")
    return [label, system["parameters"], seconds, f"{system['peak_rss_bytes'] / MEGABYTE:,.0f}",
            f"{system['index_bytes'] / MEGABYTE:,.0f}",
            *(shown_qps(system["points"], recall) for recall in RECALLS)]


def best_peer(systems, recall, with_batched):
    """(queries/s, label) of the fastest of the others."""
    speeds = [(qps_at(system["points"], recall)[0], system["label"]) for key, system in systems.items()
              if key != "roxanne" and "failed" not in system and (with_batched or not system["batched"])]
    return max(((qps, label) for qps, label in speeds if qps is not None), default=(None, None))


def ratio_rows(systems):
    """Roxanne's speed over the best peer's, for each recall; twice where batches make a difference."""
    head = ["recall@10", "best peer", "its queries/s", "Roxanne", "Roxanne / best peer"]
    rows = [head]
    for recall in RECALLS:
        ours = qps_at(systems["roxanne"]["points"], recall)[0]
        seen = set()
        for with_batched in (True, False):
            qps, label = best_peer(systems, recall, with_batched)
            if label in seen:
                continue
            seen.add(label)
            ratio = "-" if ours is None or qps is None else f"{ours / qps:.2f}"
            rows.append([f"{recall:.2f}", label or "none", "-" if qps is None else f"{qps:,.0f}",
                         "never" if ours is None else f"{ours:,.0f}", ratio])
    return rows


def disturbance(systems):
    """How much of the processor the peers had while they were measured: the rest went to others."""
    shares = sorted(point["cpu_share"] for system in systems.values() for point in system.get("points", [])
                    if "cpu_share" in point)
    if not shares:
        return []
    median, tenth = shares[len(shares) // 2], shares[len(shares) // 10]
    words = (f"In the searches that count, peers had {median:.0%} of the processor's time (median; a tenth "
             f"of the searches less than {tenth:.0%}).")
    builds = [f"{system['label']} {system['build_cpu_share']:.0%}" for system in systems.values()
              if system.get("build_cpu_share", 1.0) < CPU_SHARE_MIN]
    if builds:
        words += f" Builds that had less than {CPU_SHARE_MIN:.0%}: {', '.join(builds)}."
    if median < CPU_SHARE_MIN or builds:
        words += " **The machine was busy with something else: these figures are too low.**"
    return [words]


def case_report(case):
    head = ["system", "parameters", "build s", "peak RSS MB", "index MB",
            *(f"QPS at {recall:.2f}" for recall in RECALLS)]
    systems = case["systems"]
    parts = [f"## {case['name']}: {case['rows']:,} x {case['dim']} {case['type']}, {case['metric']}, "
             f"{case['queries']:,} queries",
             markdown([head] + [system_row(key, system) for key, system in systems.items()])]
    if any(system.get("points") for system in systems.values()):
        parts.append(markdown(ratio_rows(systems)))
    parts += disturbance(systems)
    return "\n\n".join(parts)


def machine_report(results):
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (f"{machine['cpu']}, {machine['cpus']} processors, pinned to one ({results['cpu']}); one "
            f"thread; best of {results['rounds_done']} rounds; load average {machine['load_before']:.1f} "
            f"before, {machine['load_after']:.1f} after. {versions}. {machine['date']}.")


NOTES = """\
k = 10. `+`: the fastest setting finds more than that, its speed is a lower bound. `never`: not reached by any
setting. *Build s*: Roxanne's is its whole `import` process, from the file to synced and searchable; a peer's
is training and adding only. *Peak RSS*: of the whole building process, for peers with Python and the
library."""


def full_report(results):
    cases = (case_report(case) for case in results["cases"])
    return "\n\n".join([machine_report(results), *cases, NOTES])
