#!/usr/bin/env python3
"""Clients that read and write, and a server that is killed again and again.

    tests/serve_kill_test.py BUILD/roxanne [--cycles 100] [--seconds 1] [--clients 8] [--seed 1]

Each cycle starts the server on the same database, lets the clients work, kills it with SIGKILL and
starts it again. Every write that was acknowledged must be there, the one that each client had under
way as a whole or not at all, and nothing else. The last server ends by SIGTERM. --no-kill: one long
life instead, of --seconds; its memory is told now and then. Exits 1 where anything is wrong.
"""
import argparse
import http.client
import json
import pathlib
import random
import struct
import subprocess
import sys
import threading
import time

from serve_fixture import JSON, Server

DIM = 16
BATCH_MAX = 8
BINARY = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}
COLLECTION = "/v1/collections/default"


def vector_of(key, version):
    return [(key * 31 + version * 17 + i) % 251 for i in range(DIM)]


class Client(threading.Thread):
    """Writes keys of its own; knows what it was told of each, and what it asked for last."""

    def __init__(self, number, seed):
        super().__init__()
        self.number, self.random = number, random.Random(f"{seed} {number}")
        self.known = {}       # key -> version, of what was acknowledged
        self.under_way = {}   # key -> version or None (deleted), of the request that got no answer
        self.version = 0
        self.requests = 0
        self.errors = []
        self.latencies = []

    def begin(self, address, stop):
        self.address, self.stop_event = address, stop

    def request(self, connection, method, path, body, headers):
        started = time.perf_counter()
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        data = reply.read()
        self.latencies.append(time.perf_counter() - started)
        self.requests += 1
        if reply.status != 200:
            self.errors.append(f"{method} {path}: {reply.status} {data[:200]}")
        return data

    def write(self, connection):
        self.version += 1
        keys = self.random.sample(range(500), self.random.randint(1, BATCH_MAX))
        keys = [self.number + 1000 * key for key in keys]
        deletes = self.random.random() < 0.3
        self.under_way = {key: None if deletes else self.version for key in keys}
        if deletes:
            body, path, method, headers = json.dumps({"keys": keys}), "/points/delete", "POST", JSON
        elif self.random.random() < 0.5:
            body = json.dumps({"points": [{"key": key, "vector": vector_of(key, self.version),
                                           "payload": {"v": self.version}} for key in keys]})
            path, method, headers = "/points", "PUT", JSON
        else:
            body = struct.pack(f"<Q{len(keys)}Q", len(keys), *keys) + b"".join(
                bytes(vector_of(key, self.version)) for key in keys)
            path, method, headers = "/points", "PUT", BINARY
        self.request(connection, method, COLLECTION + path, body, headers)
        self.settle(self.under_way)

    def settle(self, written):
        for key, version in written.items():
            if version is None:
                self.known.pop(key, None)
            else:
                self.known[key] = version
        self.under_way = {}

    def read(self, connection):
        if self.known and self.random.random() < 0.5:
            key = self.random.choice(list(self.known))
            point = json.loads(self.request(connection, "GET", f"{COLLECTION}/points/{key}", None, {}))
            if point.get("vector") != vector_of(key, self.known[key]):
                self.errors.append(f"key {key}: {point}, version {self.known[key]}")
        else:
            query = bytes(self.random.randrange(251) for _ in range(DIM))
            self.request(connection, "POST", COLLECTION + "/search?k=5", query, BINARY)

    def work(self):
        connection = http.client.HTTPConnection(*self.address, timeout=120)
        try:
            while not self.stop_event.is_set():
                if self.random.random() < 0.5:
                    self.write(connection)
                else:
                    self.read(connection)
        finally:
            connection.close()

    def run(self):
        try:
            self.work()
        except (ConnectionError, http.client.HTTPException, OSError) as error:
            if not self.stop_event.is_set():
                self.errors.append(f"connection: {error!r}")


def everything(server):
    points, after = {}, {}
    while True:
        page = server.call("POST", COLLECTION + "/scroll",
                           {"limit": 1000, "with": ["vector"], **after}).json()
        points.update((point["key"], point["vector"]) for point in page["points"])
        if page["next"] is None:
            return points
        after = {"after": page["next"]}


def check(server, clients):
    """What is there against what the clients know."""
    there, problems = everything(server), []
    expected = {}
    for client in clients:
        under_way = client.under_way
        if under_way:
            # As a whole or not at all.
            def is_done(key, version):
                found = there.get(key)
                return found is None if version is None else found == vector_of(key, version)
            if all(is_done(key, version) for key, version in under_way.items()):
                client.settle(under_way)
            client.under_way = {}
        expected.update((key, vector_of(key, version)) for key, version in client.known.items())
    for key in there.keys() | expected.keys():
        if there.get(key) != expected.get(key):
            problems.append(f"key {key}: {there.get(key)}, expected {expected.get(key)}")
    count = server.call("POST", COLLECTION + "/count").json()["count"]
    if count != len(expected):
        problems.append(f"count {count}, expected {len(expected)}")
    return problems


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def live(server, args, clients, seconds, kill):
    """One life of the server; what went wrong in it."""
    stop = threading.Event()
    for i, old in enumerate(clients):
        client = Client(old.number, f"{args.seed} {time.monotonic_ns()}")
        client.known, client.version = old.known, old.version
        client.requests, client.latencies = old.requests, old.latencies
        client.begin(server.address, stop)
        clients[i] = client
        client.start()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 30))
        if not kill and left > 30:
            print(f"{seconds - left:5.0f} s: {resident_bytes(server.process.pid) / 2**20:.1f} MiB, "
                  f"{sum(client.requests for client in clients)} requests", flush=True)
    stop.set()
    if kill:
        server.process.kill()
        server.process.wait()
    for client in clients:
        client.join()
    return [error for client in clients for error in client.errors]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-kill", action="store_true")
    args = parser.parse_args()
    clients = [Client(number, args.seed) for number in range(args.clients)]
    chance = random.Random(args.seed)
    server = Server(args.binary)
    problems = []
    with server:
        server.call("PUT", COLLECTION, {"dim": DIM, "type": "u8"}, status=201)
        for cycle in range(1 if args.no_kill else args.cycles):
            seconds = args.seconds if args.no_kill else args.seconds * chance.uniform(0.1, 2)
            problems = live(server, args, clients, seconds, kill=not args.no_kill)
            if not args.no_kill:
                server.start()
            problems += check(server, clients)
            if problems:
                print(f"cycle {cycle}, seed {args.seed}:", *problems[:20], sep="\n  ", file=sys.stderr)
                break
        ended = server.stop()
        if ended != 0:
            problems.append(f"exit code {ended}")
        done = subprocess.run([args.binary, "verify", server.path], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            problems.append(done.stdout + done.stderr)
    latencies = sorted(latency for client in clients for latency in client.latencies)
    print(f"{cycle + 1} {'life' if args.no_kill else 'kills'}, {len(latencies)} requests answered, "
          f"{sum(len(client.known) for client in clients)} points at the end, "
          f"p50 {latencies[len(latencies) // 2] * 1e3:.2f} ms, "
          f"p99 {latencies[len(latencies) * 99 // 100] * 1e3:.2f} ms, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
