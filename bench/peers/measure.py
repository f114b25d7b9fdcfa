"""Runs a command and writes what it took to a file: measure.py RESULT.json COMMAND...

A process of its own, with nothing but the standard library in it: the peak resident memory that Linux
reports for a child begins with that of the process that started it.
"""
import json
import os
import subprocess
import sys
import time


def main():
    result_path, command = sys.argv[1], sys.argv[2:]
    started = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    result = {"seconds": time.perf_counter() - started, "cpu_seconds": usage.ru_utime + usage.ru_stime,
              "peak_rss_bytes": usage.ru_maxrss * 1024, "exit_code": os.waitstatus_to_exitcode(status)}
    with open(result_path, "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
