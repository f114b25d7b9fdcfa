#!/usr/bin/env python3
"""Runs the command line tool end to end: every verb, its mistakes and their exit codes.

    tests/cli_test.py BUILD/roxanne [NAME ...]

NAME: only the tests whose names contain it. What needs root (a full disk, a read-only folder) is
skipped with a warning elsewhere. Exits 1 where a test fails.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from test_runner import Skipped, run_tests

OK, FAILURE, USAGE, NOT_FOUND, LOCKED, CORRUPT, DISK_FULL = range(7)
DIM = 8
ROWS = 300
TIMEOUT_S = 120
WAIT_S = 30

roxanne = None  # the binary


class Run:
    """What a finished command left."""

    def __init__(self, arguments, done):
        self.arguments, self.code = arguments, done.returncode
        self.out, self.err = done.stdout, done.stderr

    def __str__(self):
        return (f"roxanne {' '.join(map(str, self.arguments))}\n"
                f"exit {self.code}\nstdout: {self.out}\nstderr: {self.err}")

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


def call(*arguments, code=OK, says=None, stdin="", env=None):
    """Runs roxanne, expects an exit code and, where given, words on stderr."""
    done = subprocess.run([roxanne, *map(str, arguments)], input=stdin, capture_output=True,
                          text=True, timeout=TIMEOUT_S, env={**os.environ, **(env or {})})
    run = Run(arguments, done)
    assert run.code == code, f"expected exit {code}\n{run}"
    for words in [says] if isinstance(says, str) else says or []:
        assert words in run.err, f"expected {words!r} on stderr\n{run}"
    if code != OK:
        assert run.err.startswith("roxanne: ") or "interrupted" in run.err, f"no message\n{run}"
        assert "terminate called" not in run.err, run
    return run


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


def u8_rows(rows=ROWS, dim=DIM, seed=1):
    values = random.Random(seed)
    return [[values.randrange(256) for _ in range(dim)] for _ in range(rows)]


def write_u8bin(path, rows):
    flat = [value for row in rows for value in row]
    path.write_bytes(struct.pack("<ii", len(rows), len(rows[0]) if rows else DIM) + bytes(flat))
    return path


def write_fbin(path, rows):
    flat = [value for row in rows for value in row]
    path.write_bytes(struct.pack("<ii", len(rows), len(rows[0])) + struct.pack(f"<{len(flat)}f", *flat))
    return path


def write_lines(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def l2(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b))


def nearest(query, rows, k):
    return sorted((l2(query, row), i) for i, row in enumerate(rows))[:k]


def info(db, limit="1GiB", **kwargs):
    return call("info", db, "--json", "--memory-limit", limit, **kwargs).lines()[0]


def points(db):
    return sum(collection["points"] for collection in info(db)["collections"])


def verify(db):
    report = call("verify", db, "--json").lines()[0]
    equal(report["ok"], True)
    equal(report["problems"], [])
    return report


def test_help_and_version(folder):
    assert call("--version").out.startswith("roxanne 0."), "version"
    general = call("help").out
    equal(call("--help").out, general)
    for verb in ("create", "import", "search", "get", "delete", "eval", "ground-truth", "info",
                 "index", "verify", "export", "convert", "snapshot", "serve"):
        assert f"  {verb} " in general, verb
        text = call(verb, "--help").out
        equal(call("help", verb).out, text)
        assert "Examples:" in text and f"Usage: roxanne {verb} " in text, text
        assert not text.splitlines()[0].startswith("Usage"), text


def test_usage_mistakes(folder):
    call("serach", "x", code=USAGE, says='did you mean "search"?')
    call("frobnicate", code=USAGE, says='unknown verb "frobnicate"')
    call("help", "imprt", code=USAGE, says='did you mean "import"?')
    call("--json", "search", code=USAGE, says="verb comes first")
    call("search", "x", "--quey", "y", code=USAGE, says='did you mean "--query"?')
    call("create", "x", "--dmi", "4", code=USAGE, says='did you mean "--dim"?')
    call("create", "x", "--dim", "4", "--type=f33", code=USAGE, says="f32|f16|u8|i8")
    call("create", "x", "--dim", "0", code=USAGE, says="--dim")
    call("create", "x", "--dim", "many", code=USAGE, says="--dim")
    call("create", "x", code=USAGE, says="--dim")
    call("info", code=USAGE, says="DB")
    call("info", "a", "b", code=USAGE, says="one argument too many")
    call("import", "x", "y", "--memory-limit", "64 parsecs", code=USAGE, says="64MiB")
    call("import", "x", "y", "--accelerator", "tpu", code=USAGE, says="cuda|cpu|auto")
    call("import", "x", "y", "--on-duplicate", "maybe", code=USAGE, says="error|replace|skip")
    call("search", "x", code=USAGE, says="--query")
    call("search", "x", "--query", "q", "--key", "1", code=USAGE, says="either")
    call("search", "x", "--query", "q", "--with", "paylod", code=USAGE, says="payload, vector")
    call("delete", "x", code=USAGE, says="--keys")
    done = subprocess.run([roxanne], capture_output=True, text=True, timeout=TIMEOUT_S)
    equal(done.returncode, USAGE)
    assert "Usage:" in done.stderr and done.stdout == "", done


def test_missing_things(folder):
    db = folder / "none.rox"
    for verb in (["info"], ["verify"], ["get", 1], ["delete", 1], ["search", "--key", 1],
                 ["export", folder / "out.fbin"], ["snapshot", folder / "copy.rox"]):
        call(verb[0], db, *verb[1:], code=NOT_FOUND, says="no database there")
    call("import", db, folder / "none.u8bin", code=NOT_FOUND, says="none.u8bin")
    assert not db.exists(), "a mistyped file name made a database"
    call("create", db, "--dim", 4)
    call("create", db, "--dim", 4, code=FAILURE, says="there already")
    call("get", db, 1, "--collection", "other", code=NOT_FOUND, says=["other", "default"])
    call("create", folder / "no/such/folder.rox", "--dim", 4, code=NOT_FOUND)
    call("ground-truth", folder / "gt.bin", "--base", folder / "none.fbin", "--query",
         folder / "none.fbin", code=NOT_FOUND)
    assert not (folder / "gt.bin").exists()


def test_import_search_get_delete(folder):
    rows = u8_rows()
    base = write_u8bin(folder / "base.u8bin", rows)
    queries = u8_rows(5, seed=2)
    query = write_u8bin(folder / "query.u8bin", queries)
    payload = write_lines(folder / "payload.jsonl", [json.dumps({"row": i, "t": "ü\n"}) for i in range(ROWS)])
    db = folder / "db.rox"
    run = call("import", db, base, "--payload", payload, "--json", says="imported 300 rows")
    result = run.lines()[0]
    equal([result[name] for name in ("rows", "inserted", "replaced", "skipped")], [ROWS, ROWS, 0, 0])
    assert result["rows_per_second"] > 0 and result["bytes_read"] >= ROWS * DIM, result

    answers = call("search", db, "--query", query, "--k", 7, "--json", "--with", "payload,vector").lines()
    equal([answer["query"] for answer in answers], list(range(5)))
    for answer, vector in zip(answers, queries):
        equal([(n["distance"], n["key"]) for n in answer["neighbors"]], nearest(vector, rows, 7))
        for neighbor in answer["neighbors"]:
            equal(neighbor["payload"], {"row": neighbor["key"], "t": "ü\n"})
            equal(neighbor["vector"], rows[neighbor["key"]])
    for flags in (["--exact"], ["--search-list-size", 50], ["--threads", 2], ["--memory-limit", "32MiB"]):
        again = call("search", db, "--query", query, "--k", 7, "--json", *flags).lines()
        equal([[n["key"] for n in a["neighbors"]] for a in again],
              [[n["key"] for n in a["neighbors"]] for a in answers])
    text = call("search", db, "--query", query, "--row", 3, "--k", 2, "--with", "payload").out
    assert text.startswith("query 3\n") and len(text.splitlines()) == 3 and '"row"' in text, text
    call("search", db, "--query", query, "--row", 5, code=FAILURE, says="no row 5")
    equal(len(call("search", db, "--query", query, "--limit", 2, "--json").lines()), 2)
    like = call("search", db, "--key", 17, "--k", 3, "--json").lines()[0]["neighbors"]
    equal([n["key"] for n in like], [i for _, i in nearest(rows[17], rows, 4) if i != 17][:3])

    lines = json.dumps({"vector": queries[0]}) + "\n\n" + json.dumps(queries[1]) + "\n"
    piped = call("search", db, "--query", "-", "--k", 7, "--json", stdin=lines).lines()
    equal([a["neighbors"][0]["key"] for a in piped], [a["neighbors"][0]["key"] for a in answers[:2]])
    for bad, words in (("[1,2]", "2 dimensions, expected 8"), ("{}", "expected"), ("nonsense", "JSON"),
                       ("[1,2,3,4,5,6,7,300]", "300"), ("[1,2,3,4,5,6,7,0.5]", "0.5"),
                       ('[1,2,3,4,5,6,7,"x"]', "finite number")):
        call("search", db, "--query", "-", stdin=bad + "\n", code=FAILURE, says=["line 1", words])

    point = call("get", db, 17, "--json").lines()[0]
    equal(point, {"key": 17, "vector": rows[17], "payload": {"row": 17, "t": "ü\n"}})
    assert "key      17" in call("get", db, 17).out
    run = call("get", db, 17, 5000, 18, "--json", code=NOT_FOUND, says="5000")
    equal([line["key"] for line in run.lines()], [17, 18])
    call("get", db, "seventeen", code=USAGE, says="u64")

    call("delete", db, 17, 18, says="deleted 2 points")
    run = call("delete", db, 17, 19, "--json", code=NOT_FOUND, says=["no key 17", "deleted 1 point"])
    equal(run.lines(), [{"key": 17, "deleted": False}, {"key": 19, "deleted": True}])
    keys = write_lines(folder / "keys.txt", [20, 21, 22])
    call("delete", db, "--keys", keys, says="deleted 3 points")
    write_lines(keys, [23, "x"])
    call("delete", db, "--keys", keys, code=FAILURE, says="line 2")
    equal(points(db), ROWS - 6)
    verify(db)


COUNTS = ("reads", "bytes_read", "cache_hits", "read_rounds", "distance_computations", "hops")
PHASES = ("seed_us", "walk_us", "read_wait_us", "result_us")


def test_explain(folder):
    rows = u8_rows()
    base = write_u8bin(folder / "base.u8bin", rows)
    query = write_u8bin(folder / "query.u8bin", u8_rows(4, seed=2))
    db = folder / "db.rox"
    call("import", db, base)
    plain = call("search", db, "--query", query, "--json").lines()
    told = call("search", db, "--query", query, "--json", "--explain").lines()
    equal([answer["neighbors"] for answer in told], [answer["neighbors"] for answer in plain])
    assert "explain" not in plain[0], plain[0]
    for i, answer in enumerate(told):
        cost = answer["explain"]
        equal((cost["regime"], cost["search_list_size_used"], cost["hops"]), ("exact", 0, 0))
        assert ROWS <= cost["distance_computations"] < 2 * ROWS, cost
        equal(cost["reads"] > 0, i == 0)  # the first one brings the vectors into memory
        equal(cost["cache_hits"] > 0, i > 0)
        equal(cost["read_rounds"], cost["reads"])
        assert all(cost[name] >= 0 for name in COUNTS + PHASES), cost
        assert 0 < sum(cost[name] for name in PHASES) <= cost["latency_us"] + 1, cost
    run = call("search", db, "--query", query, "--explain", "--k", 2,
               says=["search", "exact", "seed", "walk", "read wait", "result", "distances"])
    equal(run.out, call("search", db, "--query", query, "--k", 2).out)
    equal(run.err.count("exact"), 4)
    like = call("search", db, "--key", 17, "--k", 3, "--json", "--explain").lines()[0]
    equal((len(like["neighbors"]), like["explain"]["regime"]), (3, "exact"))
    call("search", db, "--key", 17, "--explain", says="exact")
    lines = json.dumps(rows[0]) + "\n" + json.dumps(rows[1]) + "\n"
    piped = call("search", db, "--query", "-", "--json", "--explain", stdin=lines).lines()
    equal([answer["explain"]["reads"] > 0 for answer in piped], [True, False])


def test_existing_collection_and_wrong_files(folder):
    db = folder / "db.rox"
    base = write_u8bin(folder / "base.u8bin", u8_rows())
    call("import", db, base)
    wide = write_u8bin(folder / "wide.u8bin", u8_rows(dim=9))
    call("import", db, wide, code=FAILURE, says=["9", "8"])
    floats = write_fbin(folder / "base.fbin", u8_rows())
    call("import", db, floats, code=FAILURE, says=["f32", "u8", "convert"])
    call("import", db, base, "--metric", "ip", code=FAILURE, says="l2")
    call("import", db, base, "--key-type", "string", code=FAILURE, says="u64")
    call("import", folder / "new.rox", base, "--type", "f16", code=USAGE, says="convert")
    call("search", db, "--query", wide, code=FAILURE, says="9")
    query = write_fbin(folder / "query.fbin", [[1.0] * DIM, [2.5] * DIM])
    equal(len(call("search", db, "--query", query, "--limit", 1, "--json").lines()), 1)
    call("search", db, "--query", query, code=FAILURE, says=["query.fbin", "row 1"])

    other = folder / "other.rox"
    empty = write_u8bin(folder / "empty.u8bin", [])
    run = call("import", other, empty, "--json")
    equal(run.lines()[0]["rows"], 0)
    (folder / "nothing.u8bin").write_bytes(b"")
    call("import", other, folder / "nothing.u8bin", "--collection", "b", code=FAILURE, says="nothing.u8bin")
    (folder / "nothing.jsonl").write_bytes(b"")
    call("import", other, folder / "nothing.jsonl", "--collection", "b", code=FAILURE, says="nothing.jsonl")
    data = base.read_bytes()
    for cut in (3, 7, 100, len(data) - 1):
        (folder / "cut.u8bin").write_bytes(data[:cut])
        call("import", other, folder / "cut.u8bin", "--collection", "b", code=FAILURE, says="cut.u8bin")
    (folder / "odd.bin").write_bytes(data)
    call("import", other, folder / "odd.bin", code=FAILURE, says="u8bin")
    call("import", other, folder / "odd.bin", "--format", "u8bin", "--collection", "c")
    equal([c["name"] for c in info(other)["collections"]], ["c", "default"])
    equal([c["name"] for c in info(other)["collections"] if c["points"] == ROWS], ["c"])


def test_values_without_a_distance(folder):
    for bad in (float("nan"), float("inf")):
        rows = [[float(v) for v in row] for row in u8_rows()]
        rows[123][4] = bad
        db = folder / "nan.rox"
        call("import", db, write_fbin(folder / "bad.fbin", rows), code=FAILURE, says=["row 123", "0 of 300"])
        equal(info(db)["collections"], [])
    rows = u8_rows()
    rows[200] = [0] * DIM
    base = write_u8bin(folder / "zero.u8bin", rows)
    call("import", folder / "zero.rox", base, "--metric", "cosine", code=FAILURE, says=["row 200", "zero"])
    call("import", folder / "zero.rox", base, "--metric", "l2")
    cosine = folder / "cosine.rox"
    call("import", cosine, base, "--metric", "cosine", "--limit", 200)
    call("search", cosine, "--query", "-", stdin="[0,0,0,0,0,0,0,0]\n", code=FAILURE, says="zero")


def test_row_numbers_in_later_batches(folder):
    rows = [[float(i), 1.0] for i in range(5000)]
    rows[4321][0] = float("nan")
    run = call("import", folder / "db.rox", write_fbin(folder / "bad.fbin", rows), code=FAILURE,
               says="row 4321")
    assert "1,024 of 5,000 rows are in" in run.err, run
    equal(points(folder / "db.rox"), 1024)
    verify(folder / "db.rox")


def test_duplicate_keys(folder):
    rows = u8_rows(6)
    base = write_u8bin(folder / "base.u8bin", rows)
    keys = write_lines(folder / "keys.txt", [5, 3, 5, 7, 3, 5])
    db = folder / "error.rox"
    call("import", db, base, "--keys", keys, code=FAILURE, says=["key 5 comes twice", "row 2", "--on-duplicate"])
    equal(info(db)["collections"], [])
    db = folder / "replace.rox"
    result = call("import", db, base, "--keys", keys, "--on-duplicate", "replace", "--json").lines()[0]
    equal([result[n] for n in ("rows", "inserted", "replaced", "skipped")], [6, 3, 3, 0])
    equal([p["vector"] for p in call("get", db, 3, 5, 7, "--json").lines()], [rows[4], rows[5], rows[3]])
    db = folder / "skip.rox"
    result = call("import", db, base, "--keys", keys, "--on-duplicate", "skip", "--json").lines()[0]
    equal([result[n] for n in ("rows", "inserted", "replaced", "skipped")], [6, 3, 0, 3])
    equal([p["vector"] for p in call("get", db, 3, 5, 7, "--json").lines()], [rows[1], rows[0], rows[3]])

    write_lines(keys, [100, 101, 102, 103, 5, 105])
    call("import", db, base, "--keys", keys, code=FAILURE, says=["key 5", "row 4", "--on-duplicate"])
    equal(points(db), 3)
    result = call("import", db, base, "--keys", keys, "--on-duplicate", "skip", "--json").lines()[0]
    equal([result["inserted"], result["skipped"]], [5, 1])
    result = call("import", db, base, "--keys", keys, "--on-duplicate", "replace", "--json").lines()[0]
    equal([result["inserted"], result["replaced"]], [0, 6])
    verify(db)


def test_keys_and_payloads_beside_the_vectors(folder):
    base = write_u8bin(folder / "base.u8bin", u8_rows(10))
    keys = write_lines(folder / "keys.txt", [f"name {i}" for i in range(10)])
    payload = write_lines(folder / "payload.jsonl", ["" if i == 3 else json.dumps({"i": i}) for i in range(10)])
    db = folder / "names.rox"
    call("import", db, base, "--keys", keys, "--payload", payload)
    equal(info(db)["collections"][0]["key_type"], "string")
    equal(call("get", db, "name 4", "--json").lines()[0]["payload"], {"i": 4})
    assert "payload" not in call("get", db, "name 3", "--json").lines()[0]
    call("import", db, base, code=USAGE, says="--keys")
    call("delete", db, "name 1", "no name", code=NOT_FOUND, says="no name")

    short = write_lines(folder / "short.txt", range(9))
    long = write_lines(folder / "long.txt", range(11))
    for flag in ("--keys", "--payload"):
        lines = {"--keys": short, "--payload": write_lines(folder / "s.jsonl", ["{}"] * 9)}
        call("import", folder / "a.rox", base, flag, lines[flag], code=FAILURE, says="ends after 9")
        lines = {"--keys": long, "--payload": write_lines(folder / "l.jsonl", ["{}"] * 11)}
        call("import", folder / f"{flag}.rox", base, flag, lines[flag], code=FAILURE,
             says=["more lines", "10 of 10 rows are in"])
    call("import", folder / "b.rox", base, "--keys", long, "--limit", 5)
    equal(points(folder / "b.rox"), 5)
    mixed = write_lines(folder / "mixed.txt", [1, 2, 3, "four", 5, 6, 7, 8, 9, 10])
    call("import", folder / "c.rox", base, "--keys", mixed, code=FAILURE, says=["row 3", "four"])
    call("import", folder / "c.rox", base, "--keys", mixed, "--key-type", "string")
    for bad, words in (("[1]", "object"), ("{", "JSON"), ('{"a": "' + "x" * 70000 + '"}', "65536")):
        write_lines(payload, ["{}"] * 6 + [bad] + ["{}"] * 3)
        call("import", folder / "d.rox", base, "--payload", payload, code=FAILURE, says=["row 6", words])
    if shutil.which("zstd"):
        write_lines(payload, [json.dumps({"i": i}) for i in range(10)])
        subprocess.run(["zstd", "-q", "-f", payload], check=True)
        call("import", folder / "e.rox", base, "--payload", f"{payload}.zst")
        equal(call("get", folder / "e.rox", 9, "--json").lines()[0]["payload"], {"i": 9})


def test_jsonl(folder):
    rows = [{"key": f"k{i}", "vector": [i, 0.5, -1], "payload": {"i": i}} for i in range(20)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    db = folder / "db.rox"
    call("import", db, "-", "--format", "jsonl", "--type", "f16", stdin=lines)
    collection = info(db)["collections"][0]
    equal([collection[n] for n in ("type", "dim", "key_type", "points")], ["f16", 3, "string", 20])
    call("import", db, "-", "--format", "jsonl", stdin=lines, code=FAILURE, says="k0")
    call("import", db, "-", "--format", "jsonl", "--on-duplicate", "replace", stdin=lines)
    out = folder / "out.jsonl"
    call("export", db, out)
    exported = [json.loads(line) for line in out.read_text().splitlines()]
    equal(sorted(exported, key=lambda p: int(p["key"][1:])), rows)
    equal([p["key"] for p in exported], sorted(p["key"] for p in exported))
    equal(call("get", db, "k7", "--json", "--memory-limit", "64MiB").lines()[0], rows[7])
    # Files of vectors alone have no place for payloads, and that is said.
    told = call("export", db, folder / "out.f16bin", "--json").lines()[0]
    equal((told["points"], told["payloads_left_out"]), (20, 20))
    call("export", db, folder / "out.f16bin", says="20 payloads are not in it")
    equal(call("export", db, out, "--json").lines()[0]["payloads_left_out"], 0)
    equal(call("export", db, "-").out, out.read_text())
    call("export", db, "-", "--json", code=USAGE, says="--json")
    call("convert", out, "-", "--out-format", "jsonl", "--json", code=USAGE, says="--json")
    again = folder / "again.rox"
    call("import", again, out, "--type", "f16")
    piped = call("export", db, "-", "--format", "jsonl", "--order", "any").out
    equal(sorted(piped.splitlines()), sorted(out.read_text().splitlines()))
    number_keys = "".join(json.dumps({"key": i, "vector": [i, 1]}) + "\n" for i in range(3))
    call("import", folder / "n.rox", "-", "--format", "jsonl", stdin=number_keys)
    equal(info(folder / "n.rox")["collections"][0]["key_type"], "u64")
    call("import", folder / "s.rox", "-", "--format", "jsonl", "--key-type", "string", stdin=number_keys)
    equal(call("get", folder / "s.rox", 2, "--json").lines()[0]["key"], "2")
    call("import", folder / "t.rox", "-", "--format", "jsonl", "--type", "u8", stdin='{"vector":[1.5]}\n',
         code=FAILURE, says="1.5")


def test_export_and_convert(folder):
    rows = u8_rows()
    base = write_u8bin(folder / "base.u8bin", rows)
    db = folder / "db.rox"
    call("import", db, base)
    call("export", db, folder / "out.u8bin", "--keys", folder / "keys.txt")
    equal((folder / "out.u8bin").read_bytes(), base.read_bytes())
    equal((folder / "keys.txt").read_text().split(), [str(i) for i in range(ROWS)])
    call("export", db, folder / "out.fvecs", code=FAILURE, says="u8")
    assert not list(folder.glob("out.fvecs*")), "a failed export left a file"
    for name in ("npy", "bvecs", "hdf5", "jsonl", "fbin", "f16bin", "fvecs"):
        call("convert", base, folder / f"out.{name}")
        back = folder / f"back-{name}.u8bin"
        types = ["--type", "u8"]
        call("convert", folder / f"out.{name}", back, *types)
        equal(back.read_bytes(), base.read_bytes())
    told = call("convert", base, folder / "few.npy", "--type", "f32", "--limit", 7, "--json").lines()[0]
    equal((told["rows"], told["dim"], told["type"]), (7, DIM, "f32"))
    call("convert", folder / "few.npy", folder / "few.fbin")
    equal((folder / "few.fbin").stat().st_size, 8 + 7 * DIM * 4)
    call("convert", base, folder / "x.fbin", "--type", "u8", code=USAGE, says="fbin holds f32")
    halves = write_fbin(folder / "halves.fbin", [[1.0] * DIM, [0.5] * DIM])
    call("convert", halves, folder / "x.u8bin", code=FAILURE, says=["row 1", "0.5"])
    assert not list(folder.glob("x.u8bin*")), "a failed convert left a file"
    call("convert", base, folder / "x.parquet", code=FAILURE, says="u8bin")


def test_ground_truth_and_eval(folder):
    rows, queries = u8_rows(), u8_rows(20, seed=3)
    base = write_u8bin(folder / "base.u8bin", rows)
    query = write_u8bin(folder / "query.u8bin", queries)
    db = folder / "db.rox"
    call("import", db, base)
    gt = folder / "gt.bin"
    call("ground-truth", gt, "--base", base, "--query", query, "--k", 15, "--threads", 2)
    data = gt.read_bytes()
    equal(struct.unpack("<ii", data[:8]), (20, 15))
    ids = struct.unpack("<300I", data[8:1208])
    distances = struct.unpack("<300f", data[1208:])
    for i, vector in enumerate(queries):
        expected = nearest(vector, rows, 15)
        equal(list(zip(distances[15 * i:15 * i + 15], ids[15 * i:15 * i + 15])), expected)
    of_db = folder / "gt_db.bin"
    call("ground-truth", of_db, "--base", db, "--query", query, "--k", 15)
    equal(of_db.read_bytes(), data)
    call("ground-truth", folder / "gt.ivecs", "--base", base, "--query", query, "--k", 15)
    call("ground-truth", of_db, "--base", base, "--query", query, "--k", 301, code=FAILURE, says="300")
    call("ground-truth", of_db, "--base", db, "--query", query, "--metric", "ip", code=FAILURE, says="l2")

    for truth in (gt, folder / "gt.ivecs"):
        results = call("eval", db, "--query", query, "--ground-truth", truth, "--search-list-size",
                       "20,40", "--threads", 2, "--json").lines()
        equal([r["search_list_size"] for r in results], [20, 40])
        for result in results:
            equal(result["recall"], 1.0)
            assert ROWS <= result["distance_computations_per_query"] < 2 * ROWS, result
            for name in ("qps", "latency_us_p50", "latency_us_p99"):
                assert result[name] > 0, result
            for name in COUNTS + PHASES:
                assert result[f"{name}_per_query"] >= 0, result
            equal(result["regime"], "exact")
            assert result["cache_hits_per_query"] > 0 and result["walk_us_per_query"] > 0, result
    run = call("eval", db, "--query", query, "--ground-truth", gt, "--batch", 5, "--limit", 10,
               says=["exact, 10 queries", "times are of batches of 5 queries"])
    assert "recall@10" in run.out and "1.0000" in run.out, run
    assert "rounds" not in run.out, f"the vectors are in memory\n{run}"
    batched = call("eval", db, "--query", query, "--ground-truth", gt, "--batch", 5, "--json").lines()[0]
    equal((batched["batch"], batched["recall"]), (5, 1.0))
    equal(5 * batched["cache_hits_per_query"], result["cache_hits_per_query"])
    call("eval", db, "--query", query, "--ground-truth", gt, "--k", 16, code=FAILURE, says="15")
    more = write_u8bin(folder / "more.u8bin", u8_rows(21))
    call("eval", db, "--query", more, "--ground-truth", gt, code=FAILURE, says=["21", "20"])
    other = folder / "other.rox"
    call("import", other, write_u8bin(folder / "other.u8bin", u8_rows(seed=9)))
    equal(call("eval", other, "--query", query, "--ground-truth", gt, "--json").lines()[0]["recall"] < 1, True)


def clustered_rows(rows, dim=16, seed=1, clusters=40):
    values = random.Random(seed)
    centers = [[values.randrange(30, 220) for _ in range(dim)] for _ in range(clusters)]
    return [[value + values.randrange(-25, 26) for value in values.choice(centers)]
            for _ in range(rows)]


def test_accelerators(folder):
    """What there is depends on the machine and the build; that it is told does not."""
    base = write_u8bin(folder / "base.u8bin", clustered_rows(12000))
    db = folder / "db.rox"
    imported = call("import", db, base, "--accelerator", "cpu", "--json").lines()[0]
    equal((imported["accelerator"], imported["accelerator_note"]), ("cpu", ""))
    plain = folder / "plain.rox"
    call("import", plain, base, "--no-index")
    tried = subprocess.run([roxanne, "index", plain, "--accelerator", "cuda", "--json"],
                           capture_output=True, text=True, timeout=TIMEOUT_S)
    if tried.returncode == OK:
        equal(json.loads(tried.stdout)["accelerator"], "cuda")
        return
    equal(tried.returncode, FAILURE)
    assert "accelerator cuda cannot be used: " in tried.stderr, tried.stderr
    assert "auto and cpu build on the processor" in tried.stderr, tried.stderr
    equal(info(plain)["collections"][0]["regime"], "exact")
    # Before anything is made of a file.
    call("import", folder / "none.rox", base, "--accelerator", "cuda", code=FAILURE, says="cuda")
    assert not (folder / "none.rox").exists()
    run = call("index", plain, "--accelerator", "auto", "--json", says="indexed 12,000 points")
    told = run.lines()[0]
    equal((told["accelerator"], told["regime"], told["indexed_points"]), ("cpu", "resident", 12000))
    again = call("index", plain, "--json", says="nothing to index").lines()[0]
    equal((again["accelerator"], again["indexed_points"]), ("", 12000))
    call("index", folder / "none.rox", code=NOT_FOUND)
    verify(plain)


def test_index(folder):
    rows = 12000
    base = write_u8bin(folder / "base.u8bin", clustered_rows(rows))
    query = write_u8bin(folder / "query.u8bin", clustered_rows(50)[-50:])
    gt = folder / "gt.bin"
    call("ground-truth", gt, "--base", base, "--query", query, "--k", 10)

    plain = folder / "plain.rox"
    imported = call("import", plain, base, "--no-index", "--json").lines()[0]
    equal((imported["regime"], imported["index_seconds"]), ("exact", 0))
    equal(info(plain)["collections"][0]["index"], {})

    db = folder / "db.rox"
    run = call("import", db, base, "--json", says="indexed 12,000 points")
    imported = run.lines()[0]
    equal((imported["rows"], imported["regime"]), (rows, "resident"))
    assert imported["index_seconds"] > 0 and imported["seconds"] > 0, imported
    phases = {phase["phase"]: phase for phase in imported["index_phases"]}
    for name in ("partition", "prune", "encode"):
        assert phases[name]["seconds"] >= 0, phases
    assert phases["partition"]["points_per_second"] > 0, phases
    total = sum(phase["seconds"] for phase in phases.values())
    assert total <= imported["index_seconds"] + 1e-3, (phases, imported)
    told = info(db)["collections"][0]
    equal((told["regime"], told["index"]["points"], told["index_error"]), ("resident", rows, None))
    for name in ("search_list_size", "max_degree", "bytes_on_disk"):
        assert told["index"][name] > 0, told
    updates = ("added", "removed", "reads", "pages_written", "bytes_written", "checkpoints")
    equal(told["index"]["updates"], dict.fromkeys(updates, 0))
    equal(told["index"]["changes_since_checkpoint"], 0)
    assert "index of 12,000 points" in call("info", db).out

    results = call("eval", db, "--query", query, "--ground-truth", gt, "--search-list-size", "0,200",
                   "--json").lines()
    equal([r["search_list_size"] for r in results], [0, 200])
    equal([r["search_list_size_used"] for r in results], [told["index"]["search_list_size"], 200])
    for result in results:
        assert result["recall"] >= 0.9, result
        assert 0 < result["hops_per_query"] < rows / 2, result
        assert result["seed_us_per_query"] > 0 and result["walk_us_per_query"] > 0, result
        equal((result["regime"], result["reads_per_query"]), ("resident", 0))
    told_costs = [a["explain"] for a in
                  call("search", db, "--query", query, "--json", "--explain").lines()]
    equal({c["regime"] for c in told_costs}, {"resident"})
    equal({c["search_list_size_used"] for c in told_costs}, {told["index"]["search_list_size"]})
    equal(sum(c["hops"] for c in told_costs) / 50, results[0]["hops_per_query"])
    exact = call("eval", db, "--query", query, "--ground-truth", gt, "--exact", "--json").lines()[0]
    equal((exact["recall"], exact["hops_per_query"], exact["search_list_size_used"]), (1.0, 0, 0))

    # What comes later is found, and too little to build again.
    more = write_u8bin(folder / "more.u8bin", [[255] * 16])
    keys = write_lines(folder / "keys.txt", [777777])
    later = call("import", db, more, "--keys", keys, "--json").lines()[0]
    equal(later["regime"], "resident")
    found = call("search", db, "--query", more, "--k", 1, "--json").lines()[0]
    equal(found["neighbors"][0]["key"], 777777)
    call("delete", db, 777777)
    found = call("search", db, "--query", more, "--k", 1, "--json").lines()[0]
    assert found["neighbors"][0]["key"] != 777777, found
    verify(db)
    call("import", db, more, "--keys", keys, "--no-index")
    assert "points not in the index yet: about 1 (--load" in call("info", db).out
    loaded = call("info", db, "--load").out
    assert "points not in the index yet: 1; deleted or replaced ones still in it: 0" in loaded, loaded
    call("delete", db, 777777)

    # A damaged graph is told, and made anew.
    for ending in ("dat", "pages", "codes"):
        graph, = (db / "collections" / "000001").glob(f"graph-*.{ending}")
        with open(graph, "r+b") as file:
            file.seek(graph.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        assert graph.name in call("verify", db, code=CORRUPT).out
        equal(len(call("search", db, "--query", query, "--json").lines()), 50)
        repaired = call("verify", db, "--repair", "--json").lines()[0]
        assert "graph" in repaired["repaired"][0], repaired
        equal(info(db)["collections"][0]["regime"], "resident")

    # What cannot be opened cannot be mended, and the list says why.
    (db / "FORMAT").write_bytes(b"nonsense")
    for options in ([], ["--repair"]):
        report = call("verify", db, "--json", *options, code=CORRUPT).lines()[0]
        equal((report["ok"], len(report["problems"]), report["repaired"]), (False, 1, []))


def test_interrupted_index(folder):
    base = write_u8bin(folder / "base.u8bin", clustered_rows(60000))
    db = folder / "db.rox"
    writer = start("import", db, base, "--threads", 1, "--json")
    try:
        wait_for(lambda: points_so_far(db) == 60000)
        time.sleep(0.1)  # the last rows are seen before the build begins
        writer.send_signal(signal.SIGINT)
        writer.wait(timeout=WAIT_S)
    finally:
        writer.kill()
    out, err = writer.stdout.read(), writer.stderr.read()
    equal(writer.returncode, FAILURE)
    result = json.loads(out)
    equal((result["rows"], result["index_interrupted"], result["regime"]), (60000, True, "exact"))
    assert "not all of them in the index" in err, err
    equal(points(db), 60000)
    verify(db)


def test_info_and_collections(folder):
    db = folder / "db.rox"
    made = call("create", db, "--dim", 4, "--type", "f16", "--metric", "cosine", "--key-type", "string",
                "--json").lines()[0]
    equal(made, {"name": "default", "dim": 4, "type": "f16", "metric": "cosine", "key_type": "string"})
    call("create", db, "--dim", 2, "--collection", "b")
    call("create", db, "--dim", 2, "--collection", "no/slash", code=FAILURE, says="collection name")
    everything = info(db)
    equal([c["name"] for c in everything["collections"]], ["b", "default"])
    for name in ("points", "dim", "type", "metric", "regime", "bytes_on_disk", "bytes_in_memory", "index"):
        assert name in everything["collections"][0], name
    equal(everything["collections"][1]["regime"], "exact")
    text = call("info", db).out
    assert "cosine" in text and "memory: " in text and "store" in text, text
    for part in everything["memory"] + everything["collections"][0]["memory"]:
        assert part["name"] and part["bytes"] >= 0, part
    equal([part["name"] for part in everything["memory"]], ["store"])
    equal(sum(part["bytes"] for part in everything["memory"])
          + sum(c["bytes_in_memory"] for c in everything["collections"]), everything["memory_used_bytes"])
    assert 0 < everything["memory_used_bytes"] < everything["resident_set_bytes"], everything
    limited = info(db, limit="256MiB")
    equal(limited["memory_limit_bytes"], 256 << 20)
    one = call("info", db, "--collection", "b", "--json").lines()[0]
    equal([c["name"] for c in one["collections"]], ["b"])
    call("info", db, "--collection", "c", code=NOT_FOUND, says="b, default")
    equal(verify(db)["points_checked"], 0)


def start(*arguments, **kwargs):
    return subprocess.Popen([roxanne, *map(str, arguments)], text=True, stderr=subprocess.PIPE,
                            stdout=subprocess.PIPE, **kwargs)


def wait_for(condition):
    limit = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.02)


def feed(process, first, count):
    for i in range(first, first + count):
        process.stdin.write(json.dumps({"key": i, "vector": [i % 250, 1]}) + "\n")
    process.stdin.flush()


def is_writing(process, db):
    """Whether the process holds the database's lock, without trying to take it."""
    lock = db / "LOCK"
    return lock.exists() and lock.read_text().strip() == str(process.pid)


def points_so_far(db):
    """Seen from beside a writer, which may not have made the database yet."""
    done = subprocess.run([roxanne, "info", db, "--json"], capture_output=True, text=True,
                          timeout=TIMEOUT_S)
    return sum(c["points"] for c in json.loads(done.stdout)["collections"]) if done.stdout else 0


def test_one_writer_many_readers(folder):
    db = folder / "db.rox"
    call("import", db, write_u8bin(folder / "base.u8bin", [[1, 2], [3, 4]]))
    writer = start("import", db, "-", "--format", "jsonl", "--on-duplicate", "skip", stdin=subprocess.PIPE)
    try:
        feed(writer, 1000, 10)
        wait_for(lambda: is_writing(writer, db))
        call("delete", db, 1, code=LOCKED, says=[str(writer.pid), "one process writes"])
        equal(points(db), 2)
        equal(len(call("search", db, "--key", 1, "--json").lines()[0]["neighbors"]), 1)
        call("verify", db)
        out, err = writer.communicate(timeout=TIMEOUT_S)
    finally:
        writer.kill()
    equal((writer.returncode, "imported 10 rows" in err), (OK, True))
    equal(points(db), 12)
    verify(db)


def test_snapshot(folder):
    db = folder / "db.rox"
    rows = u8_rows()
    call("import", db, write_u8bin(folder / "base.u8bin", rows))
    copy = folder / "copy.rox"
    made = call("snapshot", db, copy, "--json").lines()[0]
    equal((made["path"], made["collections"], made["points"]), (str(copy), 1, ROWS))
    assert made["bytes_copied"] + made["bytes_shared"] > ROWS * DIM and made["seconds"] >= 0, made
    equal(verify(copy)["points_checked"], ROWS)
    call("delete", db, 1, 2, 3)
    equal(points(copy), ROWS)
    call("delete", copy, 4)
    equal(points(db), ROWS - 3)
    call("snapshot", db, copy, code=FAILURE, says="not empty")
    for inside in (db / "inside", f"{folder}/./{db.name}/inside", f"{db}/../{db.name}"):
        call("snapshot", db, inside, code=FAILURE, says="lies within")
    call("snapshot", db, folder / "no/such", code=NOT_FOUND)
    call("snapshot", db, code=USAGE, says="DIR")
    assert "297 points" in call("snapshot", db, folder / "text.rox").out
    verify(folder / "text.rox")


def test_snapshot_beside_a_writer(folder):
    db = folder / "db.rox"
    call("import", db, write_u8bin(folder / "base.u8bin", [[1, 2], [3, 4]]))
    writer = start("import", db, "-", "--format", "jsonl", "--no-index", stdin=subprocess.PIPE)
    try:
        feed(writer, 1000, 20000)
        wait_for(lambda: points_so_far(db) > 2)
        copy = folder / "copy.rox"
        count = call("snapshot", db, copy, "--json").lines()[0]["points"]
        assert 2 < count <= 20002, count
        equal(verify(copy)["points_checked"], count)
        call("snapshot", db, copy, code=FAILURE, says="not empty")
        writer.communicate(timeout=TIMEOUT_S)
    finally:
        writer.kill()
    equal((points(db), points(copy)), (20002, count))
    verify(db)


def test_interrupted_import(folder):
    for number in (signal.SIGINT, signal.SIGTERM):
        db = folder / f"{number}.rox"
        writer = start("import", db, "-", "--format", "jsonl", "--json", stdin=subprocess.PIPE)
        try:
            feed(writer, 0, 20000)
            # A quiet pipe from here on: the import waits for a line that does not come.
            wait_for(lambda: points_so_far(db) > 0)
            writer.send_signal(number)
            writer.wait(timeout=WAIT_S)
        finally:
            writer.kill()
        out, err = writer.stdout.read(), writer.stderr.read()
        equal(writer.returncode, FAILURE)
        result = json.loads(out)
        equal(result["interrupted"], True)
        assert "interrupted" in err and "--on-duplicate skip" in err, err
        equal(points(db), result["rows"])
        assert result["rows"] > 0, result
        verify(db)
        lines = "".join(json.dumps({"key": i, "vector": [i % 250, 1]}) + "\n" for i in range(20000))
        call("import", db, "-", "--format", "jsonl", "--on-duplicate", "skip", "--no-index",
             stdin=lines)
        equal(points(db), 20000)


def test_killed_import_goes_on(folder):
    db = folder / "db.rox"
    writer = start("import", db, "-", "--format", "jsonl", stdin=subprocess.PIPE)
    feed(writer, 0, 20000)
    wait_for(lambda: points_so_far(db) > 0)
    writer.kill()
    writer.communicate()
    verify(db)
    lines = "".join(json.dumps({"key": i, "vector": [i % 250, 1]}) + "\n" for i in range(20000))
    call("import", db, "-", "--format", "jsonl", "--on-duplicate", "skip", "--no-index", stdin=lines)
    equal(points(db), 20000)


def test_damage_is_found(folder):
    db = folder / "db.rox"
    call("import", db, write_u8bin(folder / "base.u8bin", u8_rows(3000)))
    verify(db)
    files = [path for path in db.rglob("*") if path.is_file() and path.stat().st_size > 3000 * DIM]
    assert files, "no file holds the vectors"
    for path in files[:3]:
        data = path.read_bytes()
        damaged = bytearray(data)
        for at in range(4096, len(damaged), 1000):
            damaged[at] ^= 0x55
        path.write_bytes(damaged)
        report = call("verify", db, "--json", code=CORRUPT, says="problem").lines()[0]
        equal(report["ok"], False)
        assert report["problems"], report
        assert "problem:" in call("verify", db, code=CORRUPT).out
        path.write_bytes(data)
        verify(db)
    call("verify", db, "--repair")


def test_durability_levels(folder):
    base = write_u8bin(folder / "base.u8bin", u8_rows())
    for level in ("full", "grouped", "none"):
        db = folder / f"{level}.rox"
        call("import", db, base, "--durability", level)
        call("delete", db, 1, "--durability", level)
        equal(points(db), ROWS - 1)
        verify(db)
    call("import", folder / "x.rox", base, "--durability", "some", code=USAGE, says="full|grouped|none")


def test_output_that_cannot_be_written(folder):
    db = folder / "db.rox"
    call("import", db, write_u8bin(folder / "base.u8bin", u8_rows()))
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([roxanne, "info", db, "--json"], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=TIMEOUT_S)
    equal(done.returncode, DISK_FULL)
    assert "standard output" in done.stderr, done.stderr
    call("export", db, folder / "no" / "such" / "out.u8bin", code=NOT_FOUND)


class Mount:
    """A tmpfs for the time of a test; only root may."""

    def __init__(self, folder, size):
        self.folder = folder
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                              capture_output=True, text=True) if os.geteuid() == 0 else None
        if done is None or done.returncode != 0:
            raise Skipped("mounting a tmpfs needs root and a system that allows it")

    def __enter__(self):
        return self

    def remount(self, options):
        done = subprocess.run(["mount", "-o", f"remount,{options}", self.folder], capture_output=True)
        if done.returncode != 0:
            raise Skipped("a tmpfs cannot be remounted here")

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=False)


def test_full_disk(folder):
    base = folder / "base.u8bin"
    base.write_bytes(struct.pack("<ii", 400_000, 128) + os.urandom(400_000 * 128))
    for durability in ("full", "none"):
        with Mount(folder / f"disk-{durability}", "24m") as disk:
            db = disk.folder / "db.rox"
            run = call("import", db, base, "--memory-limit", "32MiB", "--durability", durability,
                       code=DISK_FULL, says=["rows are in", "free some space"])
            print(f"    {run.err.strip().splitlines()[-1].strip()}")
            verify(db)
            kept = points(db)
            assert 0 < kept < 400_000, kept
            call("search", db, "--key", kept - 1, "--memory-limit", "32MiB")
            call("delete", db, 0, 1, 2)
            equal(points(db), kept - 3)


def test_read_only_folder(folder):
    with Mount(folder / "disk", "64m") as disk:
        db = disk.folder / "db.rox"
        call("import", db, write_u8bin(folder / "base.u8bin", u8_rows()))
        disk.remount("ro")
        equal(points(db), ROWS)
        equal(len(call("search", db, "--key", 1, "--k", 3, "--json").lines()[0]["neighbors"]), 3)
        verify(db)
        call("export", db, folder / "out.u8bin")
        call("snapshot", db, folder / "copy.rox")
        run = call("delete", db, 1, code=FAILURE)
        assert "ead-only" in run.err or "denied" in run.err, run
        disk.remount("rw")
        call("delete", db, 1)


def in_a_folder(test):
    with tempfile.TemporaryDirectory(prefix="roxanne_cli_test_", ignore_cleanup_errors=True) as folder:
        test(pathlib.Path(folder))


def main():
    global roxanne
    parser = argparse.ArgumentParser(description="Tests the command line tool end to end.")
    parser.add_argument("binary")
    parser.add_argument("names", nargs="*", help="only tests whose names contain one of these")
    arguments = parser.parse_args()
    roxanne = os.path.abspath(arguments.binary)
    return run_tests(globals(), arguments.names, in_a_folder)


if __name__ == "__main__":
    sys.exit(main())
