"""Starts the measured processes; all of them run on the one processor this process is pinned to."""
import json
import os
import pathlib
import subprocess
import sys

# FAISS takes and gives back large buffers in each batch of IVF searches. By default the C library hands them
# back to the kernel each time, and page faults then cost up to half of the time. These keep them.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(16 << 30), "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
               "MALLOC_TOP_PAD_": str(64 << 20)}
HERE = pathlib.Path(__file__).resolve().parent


def pin(cpu):
    """From now on, this process and those it starts stay on one processor."""
    if cpu not in os.sched_getaffinity(0):
        raise SystemExit(f"--cpu {cpu}: there is {sorted(os.sched_getaffinity(0))}")
    os.sched_setaffinity(0, {cpu})


def measure(command, result_path, environment=None):
    """Runs a command to its end: wall-clock seconds and peak resident memory of it alone."""
    words = [str(word) for word in [sys.executable, HERE / "measure.py", result_path, *command]]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    taken = json.loads(pathlib.Path(result_path).read_text(encoding="utf-8"))
    if taken["exit_code"] != 0:
        raise RuntimeError(f"{' '.join(str(word) for word in command)}: exit code {taken['exit_code']}")
    return taken


def run_job(python, job, folder):
    """Gives worker.py a job; returns its answer, with what the process took."""
    job_path, answer_path = folder / "job.json", folder / "answer.json"
    answer_path.unlink(missing_ok=True)
    job_path.write_text(json.dumps({**job, "answer": str(answer_path)}), encoding="utf-8")
    taken = measure([python, HERE / "worker.py", job_path], folder / "measured.json",
                    KEEP_MEMORY if job["action"] == "search" else None)
    return {**json.loads(answer_path.read_text(encoding="utf-8")),
            "peak_rss_bytes": taken["peak_rss_bytes"]}
