#!/usr/bin/env python3
"""Makes sample/ from the full docs-minilm data set. Needs numpy and the zstd program.

    tools/make_sample.py DATA_SET_FOLDER [OUTPUT_FOLDER]

The folder holds base.f16bin, payload.jsonl.zst, query.f16bin, query_payload.jsonl.zst and
sources.txt. Its base rows are shuffled, so the first rows are a fair smaller set.
"""
import argparse
import json
import pathlib
import struct
import subprocess
import sys
from collections import Counter

import numpy as np

BASE_ROWS = 6000
HEADING_QUERIES = 50
PASSAGE_QUERIES = 50
NEIGHBORS = 20
FIRST_HEADING_ROW = 2500  # query rows before it are passages
# Headings that tools/demo shows: they come first in the sample's queries.
DEMO_HEADING_ROWS = (3964, 3956, 3301, 4152, 3064, 4110)

README_HEAD = """\
# Sample vectors

{base_rows:,} passages from technical documentation, standards, textbooks and novels as {dim}-dimensional
float16 unit vectors, and {query_rows} queries with their exact answers. `tools/demo` uses them, and so can you.

| file | what |
|---|---|
| `base.f16bin` | int32 rows, int32 dimensions, then the rows in little-endian float16 |
| `payload.jsonl.zst` | one JSON object a base row: `repo`, `path`, `section`, `words`, `title` (the passage's first 80 characters) |
| `query.f16bin` | {headings} section headings, then {passages} passages of documents that give no base row |
| `query_payload.jsonl` | one JSON object a query: `kind` (heading or passage), `repo`, `path`, `section`, `text` |
| `gt.bin` | int32 queries, int32 k = {k}, queries x k uint32 base rows, queries x k float32 distances (minus the inner product), nearest first; exact, by brute force |

Metric: `ip`. Model: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), fp32, mean pooling, L2 norm, at most
128 tokens. `tools/make_sample.py` cut these files out of a set of 100,000 passages of the same sources.

## Sources and licences

The full text is not in these files: only the first 80 characters of each passage and the headings are. Passages
were cut out, stripped of markup and turned into vectors: that is the change made to the originals.

CC BY 4.0 text: (c) Microsoft Corporation; Cockroach Labs; OpenStax, Rice University, used under the
[Creative Commons Attribution 4.0 International licence](https://creativecommons.org/licenses/by/4.0/).
OpenStax books are free at <https://openstax.org>. "MIT OR Apache-2.0" text: (c) the Rust project's contributors.
CC0 1.0: <https://creativecommons.org/publicdomain/zero/1.0/>. Each repository is `https://github.com/REPOSITORY`.

| repository | commit | licence | base rows | queries |
|---|---|---|---|---|
"""


def read_matrix(path):
    with open(path, "rb") as file:
        rows, dim = struct.unpack("<ii", file.read(8))
        values = np.fromfile(file, dtype="<f2")
    return values.reshape(rows, dim)


def write_matrix(path, matrix):
    with open(path, "wb") as file:
        file.write(struct.pack("<ii", *matrix.shape))
        file.write(matrix.astype("<f2").tobytes())


def read_zst_lines(path):
    text = subprocess.run(["zstd", "-dcq", str(path)], check=True, capture_output=True).stdout
    return text.decode("utf-8").splitlines()


def write_zst_lines(path, lines):
    text = ("\n".join(lines) + "\n").encode("utf-8")
    with open(path, "wb") as file:
        subprocess.run(["zstd", "-19", "-cq"], input=text, stdout=file, check=True)


def write_exact_neighbors(path, base, queries):
    """Distances in double, so that no sum order decides who is nearest; ties go to the lower row."""
    distances = -(queries.astype(np.float64) @ base.astype(np.float64).T)
    ids = np.argsort(distances, axis=1, kind="stable")[:, :NEIGHBORS]
    nearest = np.take_along_axis(distances, ids, axis=1)
    with open(path, "wb") as file:
        file.write(struct.pack("<ii", *ids.shape))
        file.write(ids.astype("<u4").tobytes())
        file.write(nearest.astype("<f4").tobytes())


def read_sources(path):
    """repository -> (commit, licence), from the table in sources.txt."""
    sources = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = [field.strip() for field in line.split(" | ")]
        if len(fields) == 6 and fields[0] != "repository":
            sources[fields[0]] = (fields[1], fields[2])
    return sources


def write_readme(path, sources, base_lines, query_lines, dim):
    base_rows = Counter(json.loads(line)["repo"] for line in base_lines)
    query_rows = Counter(json.loads(line)["repo"] for line in query_lines)
    used = set(base_rows) | set(query_rows)
    unknown = sorted(used - set(sources))
    if unknown:
        sys.exit(f"make_sample: no licence known for {', '.join(unknown)}")
    text = README_HEAD.format(base_rows=len(base_lines), dim=dim, query_rows=len(query_lines),
                              headings=HEADING_QUERIES, passages=PASSAGE_QUERIES, k=NEIGHBORS)
    for repo, (commit, licence) in sources.items():
        if repo in used:
            text += f"| {repo} | {commit} | {licence} | {base_rows[repo]} | {query_rows[repo]} |\n"
    path.write_text(text, encoding="utf-8")


def chosen_query_rows(query_count):
    headings = list(DEMO_HEADING_ROWS)
    others = (row for row in range(FIRST_HEADING_ROW, query_count) if row not in headings)
    while len(headings) < HEADING_QUERIES:
        headings.append(next(others))
    return headings + list(range(PASSAGE_QUERIES))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path, help="folder of the full data set")
    parser.add_argument("out", type=pathlib.Path, nargs="?",
                        default=pathlib.Path(__file__).resolve().parent.parent / "sample")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    base = read_matrix(args.data / "base.f16bin")[:BASE_ROWS]
    base_lines = read_zst_lines(args.data / "payload.jsonl.zst")[:BASE_ROWS]
    queries = read_matrix(args.data / "query.f16bin")
    query_lines = read_zst_lines(args.data / "query_payload.jsonl.zst")
    rows = chosen_query_rows(len(queries))
    queries = queries[rows]
    query_lines = [query_lines[row] for row in rows]

    write_matrix(args.out / "base.f16bin", base)
    write_zst_lines(args.out / "payload.jsonl.zst", base_lines)
    write_matrix(args.out / "query.f16bin", queries)
    (args.out / "query_payload.jsonl").write_text("\n".join(query_lines) + "\n", encoding="utf-8")
    write_exact_neighbors(args.out / "gt.bin", base, queries)
    write_readme(args.out / "README.md", read_sources(args.data / "sources.txt"), base_lines,
                 query_lines, base.shape[1])


if __name__ == "__main__":
    main()
