"""Recall-speed curves as an SVG written by hand: no plotting library, readable on white and on black.

The chart brings its own background and follows the reader's light or dark theme where the viewer tells.
"""
import math

import report

WIDTH, HEIGHT = 1000, 600
LEFT, RIGHT, TOP, BOTTOM = 84, 700, 76, 530
RECALL_MIN, RECALL_MAX, RECALL_STEPS = 0.8, 1.0, 10
LEGEND_X, LEGEND_STEP = 722, 30
# A colour a library, a dash and a mark a configuration. Seen well on both backgrounds.
STYLES = {
    "roxanne": ("#e11d48", "", "circle"),
    "hnswlib-m16": ("#3b82f6", "", "square"),
    "hnswlib-m32": ("#3b82f6", "6 4", "diamond"),
    "faiss-hnsw": ("#16a34a", "", "square"),
    "faiss-sq8": ("#16a34a", "2 4", "triangle"),
    "faiss-sq8-ef200": ("#16a34a", "6 4", "diamond"),
    "faiss-ivfpq": ("#0d9488", "", "triangle"),
    "faiss-ivfpq-single": ("#0d9488", "6 4", "circle"),
    "usearch-f16": ("#d97706", "", "square"),
    "usearch-i8": ("#d97706", "6 4", "diamond"),
    "svs": ("#9333ea", "", "triangle"),
    "diskann": ("#78716c", "", "diamond"),
}
SHEET = """
text{font-family:system-ui,"Segoe UI","DejaVu Sans",Helvetica,Arial,sans-serif;fill:#1f2937}
.back{fill:#ffffff}.frame{fill:none;stroke:#9ca3af}.grid{stroke:#e5e7eb}.soft{fill:#4b5563}
.mark{stroke:#ffffff}
@media (prefers-color-scheme: dark){text{fill:#f3f4f6}.back{fill:#111827}.frame{stroke:#6b7280}
.grid{stroke:#374151}.soft{fill:#d1d5db}.mark{stroke:#111827}}
"""


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text(x, y, words, size=14, anchor="start", extra=""):
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f"<text {place} {extra}>{escape(words)}</text>"


def line(x1, y1, x2, y2):
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def mark(kind, x, y, color, radius):
    style = f'class="mark" fill="{color}" stroke-width="1"'
    if kind == "circle":
        return f'<circle {style} cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
    corners = {"square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
               "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
               "triangle": ((0, -1.2), (1.2, 1), (-1.2, 1))}[kind]
    points = " ".join(f"{x + radius * dx:.1f},{y + radius * dy:.1f}" for dx, dy in corners)
    return f'<polygon {style} points="{points}"/>'


def to_x(recall):
    return LEFT + (recall - RECALL_MIN) / (RECALL_MAX - RECALL_MIN) * (RIGHT - LEFT)


class SpeedAxis:
    """A logarithmic axis that begins and ends at 1, 2 or 5 times a power of ten."""

    def __init__(self, speeds):
        steps = [mantissa * 10.0 ** exponent for exponent in range(-2, 8) for mantissa in (1, 2, 5)]
        low, high = min(speeds), max(speeds)
        self.low = max(step for step in steps if step <= low)
        self.high = min(step for step in steps if step >= high and step > self.low)
        self.ticks = [step for step in steps if self.low <= step <= self.high]

    def to_y(self, qps):
        share = math.log(qps / self.low) / math.log(self.high / self.low)
        return BOTTOM - share * (BOTTOM - TOP)


def clipped(curve):
    """The part of a curve at or above the least recall drawn, cut where it crosses."""
    seen = [(point["recall"], point["qps"]) for point in curve if point["recall"] >= RECALL_MIN]
    below = [point for point in curve if point["recall"] < RECALL_MIN]
    if below and seen:
        return [(RECALL_MIN, report.qps_at(curve, RECALL_MIN)[0])], seen
    return [], seen


def axes(axis):
    parts = []
    for tick in axis.ticks:
        parts.append(line(LEFT, axis.to_y(tick), RIGHT, axis.to_y(tick)))
        shown = f"{tick:,.0f}" if tick >= 1 else f"{tick:g}"
        parts.append(text(LEFT - 10, axis.to_y(tick) + 5, shown, 14, "end"))
    for step in range(RECALL_STEPS + 1):
        recall = RECALL_MIN + step * (RECALL_MAX - RECALL_MIN) / RECALL_STEPS
        parts.append(line(to_x(recall), TOP, to_x(recall), BOTTOM))
        parts.append(text(to_x(recall), BOTTOM + 22, f"{recall:.2f}", 14, "middle"))
    parts.append(f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}"/>')
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 50, "recall@10", 15, "middle"))
    middle = (TOP + BOTTOM) / 2
    parts.append(text(22, middle, "queries a second, one thread", 15, "middle",
                      f'transform="rotate(-90 22 {middle})"'))
    return parts


def curve_parts(key, points, axis):
    """A line along the frontier and a mark at each measured setting on it."""
    color, dash, kind = STYLES[key]
    ours = key == "roxanne"
    start, seen = clipped(report.frontier(points))
    place = [(to_x(recall), axis.to_y(qps)) for recall, qps in start + seen]
    parts = []
    if len(place) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in place)
        parts.append(f'<polyline fill="none" stroke="{color}" stroke-width="{4 if ours else 2}" '
                     f'stroke-linejoin="round" stroke-dasharray="{dash or "none"}" points="{path}"/>')
    parts += [mark(kind, x, y, color, 6 if ours else 4) for x, y in place[len(start):]]
    return parts


def legend_entry(number, key, label):
    color, dash, kind = STYLES[key]
    y = TOP + 12 + number * LEGEND_STEP
    ours = key == "roxanne"
    return [f'<line x1="{LEGEND_X}" y1="{y}" x2="{LEGEND_X + 40}" y2="{y}" stroke="{color}" '
            f'stroke-width="{4 if ours else 2}" stroke-dasharray="{dash or "none"}"/>',
            mark(kind, LEGEND_X + 20, y, color, 6 if ours else 4),
            text(LEGEND_X + 50, y + 5, label, 15, extra='font-weight="bold"' if ours else "")]


def draw(case, results):
    """The chart of one data set, of those systems that have something at or above the least recall."""
    shown = {key: system for key, system in case["systems"].items()
             if "failed" not in system and clipped(system["points"])[1]}
    speeds = []
    for system in shown.values():
        start, seen = clipped(report.frontier(system["points"]))
        speeds += [qps for _, qps in start + seen]
    axis = SpeedAxis(speeds or [1, 10])
    machine = results["machine"]
    title = f"{case['name']}: {case['rows']:,} x {case['dim']} {case['type']}, {case['metric']}"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
             f"<title>Recall and speed on {escape(case['name'])}</title><style>{SHEET}</style>",
             f'<rect class="back" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
             text(LEFT, 34, title, 20, extra='font-weight="bold"'),
             text(LEFT, 58, f"up and to the right is better; {machine['cpu']}, {machine['date']}", 14,
                  extra='class="soft"'), *axes(axis)]
    for key, system in reversed(shown.items()):  # Roxanne is first in the legend and on top of the curves
        parts += curve_parts(key, system["points"], axis)
    for number, (key, system) in enumerate(shown.items()):
        parts += legend_entry(number, key, system["label"])
    return "\n".join([*parts, "</svg>", ""])
