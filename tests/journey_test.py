#!/usr/bin/env python3
"""The journey of a person: import with the tool, change with Python, copy the folder, serve it.

    tests/journey_test.py --roxanne build/release/roxanne [--data DIR] [--folder DIR]

Needs the Python package and rclone. DIR of --data has base.u8bin and query.u8bin; without it 20,000
made-up rows stand in.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np

import roxanne
from serve_fixture import Server

K = 10
QUERIES = 50
CHANGED = 1000


def write_u8bin(path, rows):
    with path.open("wb") as file:
        np.array(rows.shape, np.int32).tofile(file)
        rows.tofile(file)


def read_u8bin(path):
    rows, dim = np.fromfile(path, np.int32, 2)
    return np.fromfile(path, np.uint8, offset=8).reshape(rows, dim)


def make_up(folder):
    random = np.random.default_rng(8)
    write_u8bin(folder / "base.u8bin", random.integers(0, 256, (20_000, 32), np.uint8))
    write_u8bin(folder / "query.u8bin", random.integers(0, 256, (QUERIES, 32), np.uint8))
    return folder


def answers_of_tool(tool, database, queries):
    """(keys, distances), exact, so that no graph's choice tells two doors apart."""
    done = subprocess.run([tool, "search", database, "--query", queries, "--k", str(K), "--exact",
                           "--json"], check=True, capture_output=True, text=True)
    lists = [json.loads(line)["neighbors"] for line in done.stdout.splitlines()]
    return (np.array([[one["key"] for one in neighbors] for neighbors in lists]),
            np.array([[one["distance"] for one in neighbors] for neighbors in lists]))


def answers_of_server(server, queries):
    reply = server.call("POST", "/v1/collections/default/search",
                        {"vectors": queries.tolist(), "k": K, "exact": True}).json()
    lists = [result["neighbors"] for result in reply["results"]]
    return (np.array([[one["key"] for one in neighbors] for neighbors in lists]),
            np.array([[one["distance"] for one in neighbors] for neighbors in lists]))


def change(database, base, queries):
    """Upserts 1,000 points, the queries themselves among them, and deletes 1,000."""
    with roxanne.open(database) as db:
        points = db["default"]
        assert len(points) == len(base)
        rows = base[:CHANGED].copy()
        rows[:len(queries)] = queries
        new = np.arange(10**9, 10**9 + CHANGED)
        assert points.upsert(new, rows).inserted == CHANGED
        assert points.delete(np.arange(CHANGED)) == CHANGED
        assert len(points) == len(base)
        return points.search(queries, K, exact=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--roxanne", required=True)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = pathlib.Path(name)
        data = arguments.data or make_up(folder)
        base = read_u8bin(data / "base.u8bin")
        queries = read_u8bin(data / "query.u8bin")[:QUERIES].copy()
        write_u8bin(folder / "asked.u8bin", queries)
        server = Server(arguments.roxanne, folder=folder, create=False)
        here, there = folder / "here.rox", server.path

        subprocess.run([arguments.roxanne, "import", here, data / "base.u8bin", "--metric", "l2"],
                       check=True, capture_output=True)
        keys, distances = change(here, base, queries)
        assert (keys[:, 0] >= 10**9).all() and (distances[:, 0] == 0).all()
        assert not (keys < CHANGED).any()

        subprocess.run(["rclone", "copy", "--config", "/dev/null", here, there], check=True)
        copied_keys, copied_distances = answers_of_tool(arguments.roxanne, there,
                                                        folder / "asked.u8bin")
        np.testing.assert_array_equal(copied_distances, distances)
        np.testing.assert_array_equal(copied_keys, keys)
        with server:
            served_keys, served_distances = answers_of_server(server, queries)
            assert server.stop() == 0
        np.testing.assert_array_equal(served_distances, copied_distances)
        np.testing.assert_array_equal(served_keys, copied_keys)
        subprocess.run([arguments.roxanne, "verify", there], check=True, capture_output=True)
    print(f"journey_test: {len(base):,} points, {QUERIES} queries: the same from every door")


if __name__ == "__main__":
    main()
