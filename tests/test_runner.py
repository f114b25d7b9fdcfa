"""Runs the test_... functions of a script, all of them whatever some do, and says what came of it."""
import time
import traceback


class Skipped(Exception):
    """What a test cannot check on this machine."""


def run_tests(functions, names, call=lambda test: test()):
    """Those of a module's `functions` whose names hold one of `names`, or all; the exit code."""
    tests = [(name, test) for name, test in functions.items()
             if name.startswith("test_") and (not names or any(part in name for part in names))]
    failed, skipped = [], []
    for name, test in tests:
        started = time.monotonic()
        try:
            call(test)
            outcome = "ok"
        except Skipped as reason:
            outcome = f"SKIPPED: {reason}"
            skipped.append(name)
        except Exception:  # whatever it was, the other tests shall run
            outcome = "FAILED"
            failed.append(name)
            traceback.print_exc()
        print(f"{name}: {outcome} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"{len(tests)} tests, {len(failed)} failed, {len(skipped)} skipped")
    for name in skipped:
        print(f"WARNING: NOT CHECKED: {name}")
    return 1 if failed or not tests else 0
