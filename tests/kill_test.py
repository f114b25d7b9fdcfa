#!/usr/bin/env python3
"""Kills a writing process again and again and checks that nothing acknowledged is lost.

    tests/kill_test.py --worker BUILD/tests/kill_worker [--cycles 1000] [--seed 1]

Each cycle starts the worker (tests/kill_worker.cc), kills it with SIGKILL at a random moment, opens
the database again and compares every point with the worker's log: each acknowledged batch is there,
the one batch that each thread had in flight is there as a whole or not at all, and verify() finds
nothing wrong. Graphs are built and replaced meanwhile, or left to the engine's background, with
memory for resident ones or for those on disk only (--changes); every answer of a search must be
true. The next cycle goes on with the same database. Some kills hit the opening of the database, some
its recovery. Exits 1 where anything is wrong, and then keeps the folder.
"""
import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

BATCHES_PER_CYCLE_MAX = 1_000_000  # so that no batch number comes twice
CHECK_TIMEOUT_S = 600  # of one that hangs: sanitizers on a busy machine take a minute or two
START_TIMEOUT_S = 300
DURABILITIES = ("full", "grouped", "none")
CHANGES = ("builds", "background")
BUILD_MIB = 256
LITTLE_MIB = 36  # a part of the vectors only, and graphs on disk


class Totals:
    def __init__(self):
        self.cycles = self.kills_in_open = self.kills_in_recovery = 0
        self.batches = self.points = self.in_flight_whole = self.in_flight_absent = 0
        self.lost = self.half = self.failed_opens = self.failed_runs = self.problems = 0
        self.graphs = 0
        self.background = self.disk_lives = self.resident_lives = 0
        self.open_ms_max = 0.0

    def wrong(self):
        return self.lost + self.half + self.failed_opens + self.failed_runs + self.problems

    def show(self):
        print(f"cycles                  {self.cycles}")
        print(f"  killed while opening  {self.kills_in_open}")
        print(f"  killed in recovery    {self.kills_in_recovery}")
        print(f"batches acknowledged    {self.batches}")
        print(f"  points in them        {self.points}")
        print(f"in flight, whole        {self.in_flight_whole}")
        print(f"in flight, absent       {self.in_flight_absent}")
        print(f"graphs that served      {self.graphs}")
        print(f"changed in background   {self.background}")
        print(f"  from disk             {self.disk_lives}")
        print(f"  resident              {self.resident_lives}")
        print(f"points lost or wrong    {self.lost}")
        print(f"half batches            {self.half}")
        print(f"failed opens            {self.failed_opens}")
        print(f"failed runs             {self.failed_runs}")
        print(f"other problems          {self.problems}")
        print(f"slowest open            {self.open_ms_max:.0f} ms")


def wait_for_line(process):
    limit = threading.Timer(START_TIMEOUT_S, process.kill)
    limit.start()
    line = process.stdout.readline().decode()
    limit.cancel()
    return line.split()


class KillTest:
    def __init__(self, args, folder):
        self.args = args
        self.random = random.Random(args.seed)
        self.worker = args.worker
        self.totals = Totals()
        self.paths = [str(folder / name) for name in ("kill.rox", "state", "log")]
        self.log = folder / "log"

    def command(self, mode, **options):
        words = [self.worker, mode, *self.paths]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), str(value)]
        return words

    def memory_mib(self, changes="builds"):
        """Room for graphs, or for a part of the vectors only."""
        if changes == "background":
            return self.random.choice((LITTLE_MIB, 160))
        return self.random.choice((LITTLE_MIB, 160, 160))

    def durability(self):
        if self.args.durability != "mixed":
            return self.args.durability
        return self.random.choice(DURABILITIES)

    def changes(self):
        if self.args.changes != "mixed":
            return self.args.changes
        return self.random.choice(CHANGES)

    def build_graph(self):
        """One on disk where there is none; with more memory than the worker then gets."""
        built = subprocess.run(self.command("build", memory_mib=BUILD_MIB), capture_output=True,
                               timeout=CHECK_TIMEOUT_S, check=False)
        if built.returncode != 0:
            self.totals.problems += 1
            print(f"build failed: {built.stderr.decode(errors='replace')}", file=sys.stderr)

    def life_seconds(self, changes):
        """Of a worker, from when it writes."""
        if changes == "background":
            # Now and then as long as a background may wait for.
            longer = self.random.random() < 0.05
            return self.random.uniform(1, 3) if longer else self.random.uniform(0.3, 0.8)
        if self.random.random() < 0.3:
            return self.random.uniform(0.15, 1.0)  # long enough for a checkpoint, or a graph or two
        return self.random.uniform(0.005, 0.15)

    def count_life(self, regimes):
        self.totals.background += 1
        self.totals.disk_lives += "disk" in regimes
        self.totals.resident_lives += "resident" in regimes

    def run_and_kill(self, cycle, changes):
        """Starts the worker and kills it; False where it ended by itself."""
        command = self.command("run", seed=self.random.getrandbits(48),
                               first_batch=1 + cycle * BATCHES_PER_CYCLE_MAX,
                               durability=self.durability(), memory_mib=self.memory_mib(changes),
                               changes=changes)
        in_open = self.random.random() < 0.1
        # A kill while opening strikes at once; others wait until the worker writes.
        wait_s = self.random.uniform(0, 0.05) if in_open else self.life_seconds(changes)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                if not in_open:
                    regimes = wait_for_line(process)  # after "ready"; nothing where it failed
                    if changes == "background":
                        self.count_life(regimes)
                time.sleep(wait_s)
                ended = process.poll() is not None
            finally:
                process.kill()
            errors = process.stderr.read().decode(errors="replace")
        self.totals.kills_in_open += in_open
        if ended:
            print(f"cycle {cycle}: the worker ended by itself: {errors}", file=sys.stderr)
        return not ended

    def kill_in_recovery(self):
        """Opens the database and kills that, too."""
        with subprocess.Popen(self.command("check", memory_mib=self.memory_mib()), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            time.sleep(self.random.uniform(0, 0.03))
            process.kill()
        if process.returncode == -signal.SIGKILL:
            self.totals.kills_in_recovery += 1
        elif process.returncode != 0:
            self.totals.problems += 1
            print(f"an early check ended with {process.returncode}", file=sys.stderr)

    def check(self, cycle, changes):
        close = int(self.random.random() < 0.5)
        command = self.command("check", close=close, memory_mib=self.memory_mib(),
                               background=int(changes == "background"))
        checked = subprocess.run(command, capture_output=True, timeout=CHECK_TIMEOUT_S,
                                 check=False)
        fields = checked.stdout.decode().split()
        if checked.returncode not in (0, 5) or len(fields) != 9:
            self.totals.failed_opens += 1
            print(f"cycle {cycle}: check failed with {checked.returncode}: "
                  f"{checked.stderr.decode(errors='replace')}", file=sys.stderr)
            return False
        totals = self.totals
        totals.batches += int(fields[0])
        totals.points += int(fields[1])
        totals.in_flight_whole += int(fields[2])
        totals.in_flight_absent += int(fields[3])
        totals.lost += int(fields[4])
        totals.half += int(fields[5])
        totals.problems += int(fields[6])
        totals.open_ms_max = max(totals.open_ms_max, float(fields[7]))
        totals.graphs += int(fields[8])
        if checked.returncode != 0:
            print(f"cycle {cycle}:\n{checked.stderr.decode(errors='replace')}", file=sys.stderr)
        self.log.write_bytes(b"")
        return checked.returncode == 0

    def cycle(self, cycle):
        changes = self.changes()
        if changes == "background":
            self.build_graph()
        if not self.run_and_kill(cycle, changes):
            self.totals.failed_runs += 1
        if self.random.random() < 0.15:
            self.kill_in_recovery()
        self.check(cycle, changes)
        self.totals.cycles += 1


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", required=True, help="the kill_worker program")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--durability", choices=(*DURABILITIES, "mixed"), default="mixed")
    parser.add_argument("--changes", choices=(*CHANGES, "mixed"), default="mixed",
                        help="of graphs: built by a thread all the time, or by the engine as it likes")
    parser.add_argument("--folder", type=pathlib.Path, help="where; default: a temporary folder")
    parser.add_argument("--failures-max", type=int, default=3, help="failed cycles before the end")
    return parser.parse_args()


def main():
    args = parse_arguments()
    if args.folder:
        args.folder.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="roxanne_kill_", dir=args.folder))
    print(f"seed {args.seed}, durability {args.durability}", flush=True)
    test = KillTest(args, folder)
    failures = 0
    for cycle in range(args.cycles):
        wrong_before = test.totals.wrong()
        test.cycle(cycle)
        failures += test.totals.wrong() > wrong_before
        if failures >= args.failures_max:
            print(f"stopped after {failures} failed cycles", file=sys.stderr)
            break
        if (cycle + 1) % 100 == 0 and os.isatty(2):
            print(f"{cycle + 1} cycles", file=sys.stderr)
    test.totals.show()
    if test.totals.wrong() > 0:
        print(f"kept: {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
