"""Runs commands inside a memory cgroup, where one can be made, and watches what they take."""
import os
import pathlib
import pty
import re
import signal
import subprocess
import threading
import time

V1_ROOT = pathlib.Path("/sys/fs/cgroup/memory")
V2_ROOT = pathlib.Path("/sys/fs/cgroup")
SAMPLE_SECONDS = 0.05
PHASE = re.compile(r"(import|index: [a-z ]+?)  ")


class Killed(RuntimeError):
    """The system ended the command for want of memory."""


class Cgroup:
    """One with a limit; `exists` is False where the system does not let us make one."""

    def __init__(self, limit_bytes):
        self.is_v2 = (V2_ROOT / "cgroup.controllers").exists()
        root = V2_ROOT if self.is_v2 else V1_ROOT
        self.folder = root / f"roxanne-scale-{os.getpid()}"
        self.exists = False
        try:
            self.folder.mkdir()
            self._file("memory.max", "memory.limit_in_bytes").write_text(str(limit_bytes))
            self.exists = True
        except OSError:
            self.close()

    def _file(self, v2_name, v1_name):
        return self.folder / (v2_name if self.is_v2 else v1_name)

    def words(self, command):
        """The command, entering the group by itself: nothing of this program is counted."""
        command = [str(word) for word in command]
        if not self.exists:
            return command
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.folder / "cgroup.procs"), *command]

    def peak_bytes(self):
        """The page cache that the group filled is counted too: it comes near the limit."""
        if not self.exists:
            return None
        try:
            return int(self._file("memory.peak", "memory.max_usage_in_bytes").read_text())
        except OSError:
            return None

    def close(self):
        for _ in range(50):
            try:
                self.folder.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.1)


def resident_bytes(pid):
    """(now, of it anonymous) by /proc; zeros once it has ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0, 0
    page = os.sysconf("SC_PAGE_SIZE")
    return int(fields[1]) * page, (int(fields[1]) - int(fields[2])) * page


def read_phases(terminal, started, phases):
    """From progress lines, when each phase was seen first."""
    while True:
        try:
            text = os.read(terminal, 65536).decode("utf-8", "replace")
        except OSError:
            return
        if not text:
            return
        now = time.perf_counter() - started
        for name in PHASE.findall(text):
            phases.setdefault(name, now)


def run(command, limit_bytes, sees_phases=False):
    """Runs to the end; what it printed and took. Raises Killed, or RuntimeError with what it said."""
    group = Cgroup(limit_bytes)
    phases, peak, peak_anonymous = {}, 0, 0
    started = time.perf_counter()
    stderr, reader, terminal = subprocess.PIPE, None, None
    if sees_phases:
        terminal, stderr = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    child = subprocess.Popen(group.words(command), stdout=subprocess.PIPE, stderr=stderr, text=True,
                             env=environment)
    if sees_phases:
        os.close(stderr)
        reader = threading.Thread(target=read_phases, args=(terminal, started, phases))
        reader.start()
    output = []
    collector = threading.Thread(target=lambda: output.append(child.stdout.read()))
    collector.start()
    errors = []
    if not sees_phases:
        error_collector = threading.Thread(target=lambda: errors.append(child.stderr.read()))
        error_collector.start()
    while child.poll() is None:
        now, anonymous = resident_bytes(child.pid)
        peak, peak_anonymous = max(peak, now), max(peak_anonymous, anonymous)
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - started
    collector.join()
    if reader is not None:
        reader.join()
        os.close(terminal)
    else:
        error_collector.join()
    taken = {"seconds": seconds, "peak_rss_bytes": peak, "peak_anonymous_bytes": peak_anonymous,
             "cgroup_limit_bytes": limit_bytes if group.exists else None,
             "cgroup_peak_bytes": group.peak_bytes(), "output": output[0],
             "phase_seconds": phase_seconds(phases, seconds)}
    group.close()
    if child.returncode == -signal.SIGKILL:
        raise Killed(f"killed with {limit_bytes} bytes allowed after {seconds:.0f} s")
    if child.returncode != 0:
        said = "".join(errors).strip() or f"exit code {child.returncode}"
        raise RuntimeError(f"{' '.join(str(word) for word in command[:2])}: {said}")
    return taken


def phase_seconds(phases, total):
    """A phase lasts until the next one is seen first; the last one to the end."""
    by_start = sorted((first, name) for name, first in phases.items())
    seconds = {}
    for number, (first, name) in enumerate(by_start):
        end = by_start[number + 1][0] if number + 1 < len(by_start) else total
        seconds[name.removeprefix("index: ")] = round(end - first, 2)
    return seconds


def drop_page_cache():
    """True where the system lets us."""
    try:
        os.sync()
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
        return True
    except OSError:
        return False
