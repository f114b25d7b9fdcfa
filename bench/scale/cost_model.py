#!/usr/bin/env python3
"""Fits how the disk regime grows, and says what a billion vectors would need.

    bench/scale/cost_model.py WORK/results.json [--to 1000000000] [--device-iops 100000]

Counts of a query are taken as linear in log10 of the number of vectors, memory as linear in the number itself,
seconds of a build as a power of it. Each fit is printed with what it misses. Codes must be of one length: give
sizes that were served with enough memory (bench/scale/run --serve-least).
"""
import argparse
import json
import math

RECALLS = ("0.9", "0.95", "0.99")
# Held once for a process, however many vectors there are.
FIXED_PARTS = ("store", "search buffers", "vectors", "page cache")
PROGRAM_BYTES = 16 << 20  # what the engine sets aside for itself


def line(xs, ys):
    """Least squares: (intercept, slope, the largest residual)."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / spread if spread else 0.0
    intercept = mean_y - slope * mean_x
    return intercept, slope, max(abs(intercept + slope * x - y) for x, y in zip(xs, ys))


def last_slope(xs, ys):
    """From the two largest sizes: a query's counts have grown faster at each step so far."""
    return (ys[-1] - ys[-2]) / (xs[-1] - xs[-2]) if len(xs) > 1 else 0.0


def print_table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def counts(results, sizes, target):
    """Reads, rounds and comparisons; returns {recall: (reads by the line, reads by the last step)}."""
    rows, predicted = [], {}
    for recall in RECALLS:
        for name in ("reads", "rounds", "distances"):
            usable = [n for n in sizes if results[n]["sweep"]["at"].get(recall)]
            xs = [math.log10(n) for n in usable]
            ys = [results[n]["sweep"]["at"][recall][name] for n in usable]
            intercept, slope, worst = line(xs, ys)
            straight = intercept + slope * math.log10(target)
            bent = ys[-1] + last_slope(xs, ys) * (math.log10(target) - xs[-1])
            by_size = dict(zip(usable, ys))
            seen = [f"{by_size[n]:,.1f}" if n in by_size else "-" for n in sizes]
            rows.append([f"{name} at {recall}", *seen, f"{slope:,.1f}", f"{worst:,.1f}", f"{straight:,.0f}",
                         f"{bent:,.0f}"])
            if name == "reads":
                predicted[recall] = (straight, bent)
    print_table(["a query", *(f"{n:,}" for n in sizes), "a decade", "worst residual",
                 f"{target:,} by the line", "by the last step"], rows)
    return predicted


def memory(results, sizes, target):
    parts = list(results[sizes[-1]]["info"]["memory_bytes"])
    growing = [part for part in parts if part not in FIXED_PARTS]
    rows, total = [], PROGRAM_BYTES
    for part in growing:
        ys = [results[n]["info"]["memory_bytes"].get(part, 0) for n in sizes]
        intercept, slope, worst = line(sizes, ys)
        total += intercept + slope * target
        rows.append([part, *(f"{y / n:.2f}" for n, y in zip(sizes, ys)), f"{slope:.3f}",
                     f"{100 * worst / max(1, max(ys)):.1f} %", f"{(intercept + slope * target) / 1e9:,.2f}"])
    ys = [results[n]["info"]["graph_disk_bytes"] for n in sizes]
    intercept, slope, worst = line(sizes, ys)
    disk = [results[n]["info"]["disk_bytes"] for n in sizes]
    disk_intercept, disk_slope, disk_worst = line(sizes, disk)
    for name, values, fit in (("graph on disk", ys, (intercept, slope, worst)),
                              ("all on disk", disk, (disk_intercept, disk_slope, disk_worst))):
        rows.append([name, *(f"{y / n:.1f}" for n, y in zip(sizes, values)), f"{fit[1]:.1f}",
                     f"{100 * fit[2] / max(values):.1f} %", f"{(fit[0] + fit[1] * target) / 1e9:,.1f}"])
    print_table(["bytes a vector", *(f"{n:,}" for n in sizes), "slope", "worst residual", f"GB at {target:,}"],
                rows)
    return total


def build_hours(results, sizes, target):
    """Hours of one core: (by the power of the number of vectors that the sizes show, at the rate of the largest);
    None without two sizes.
    """
    usable = [n for n in sizes if "seconds" in results[n]["import"]]
    if len(usable) < 2:
        return None
    core_seconds = [results[n]["import"]["seconds"] * results[n]["import"]["threads"] for n in usable]
    logs = [math.log(n) for n in usable]
    intercept, power, worst = line(logs, [math.log(seconds) for seconds in core_seconds])
    print_table(["import", *(f"{n:,}" for n in usable)],
                [["us a vector, of each thread", *(f"{1e6 * s / n:,.0f}" for n, s in zip(usable, core_seconds))]])
    print(f"Seconds grow as N^{power:.2f} (worst residual {100 * (math.exp(worst) - 1):.0f} %).\n")
    return (math.exp(intercept + power * math.log(target)) / 3600,
            core_seconds[-1] / usable[-1] * target / 3600)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", help="results.json; of a size in several, the last counts")
    parser.add_argument("--to", type=int, default=1_000_000_000)
    parser.add_argument("--device-iops", type=int, default=100_000)
    parser.add_argument("--share", type=float, default=0.9, help="of the device's reads that searches reach")
    parser.add_argument("--sizes", help="only these of the results")
    arguments = parser.parse_args()
    results = {}
    for path in arguments.results:
        with open(path, encoding="utf-8") as file:
            results.update({int(size): value for size, value in json.load(file).items()})
    chosen = map(int, arguments.sizes.split(",")) if arguments.sizes else results
    sizes = sorted(n for n in chosen if "sweep" in results[n] and "info" in results[n])
    if len(sizes) < 2:
        parser.error("at least two sizes are needed")
    reads = counts(results, sizes, arguments.to)
    resident = memory(results, sizes, arguments.to)
    hours = build_hours(results, sizes, arguments.to)
    rate = arguments.device_iops * arguments.share
    rows = [["memory, without search buffers and page cache", f"{resident / 1e9:.1f} GB"],
            ["build with one thread", "-" if hours is None else "{:,.0f} to {:,.0f} h".format(*sorted(hours))]]
    for recall, (straight, bent) in reads.items():
        rows.append([f"reads at {recall}", "{:.0f} to {:.0f}".format(*sorted((straight, bent)))])
        rows.append([f"queries/s of {arguments.device_iops:,} reads/s at {recall}",
                     "{:,.0f} to {:,.0f}".format(*sorted((rate / bent, rate / straight)))])
    print_table([f"{arguments.to:,} vectors", "needed"], rows)


if __name__ == "__main__":
    main()
