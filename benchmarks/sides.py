"""What benchmarks of two programs share: they take turns, each in a process that stops while the other is timed."""

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def processor():
    """Returns the name of the processor, and what it has beyond AVX2."""
    if not Path("/proc/cpuinfo").exists():
        return platform.processor() or platform.machine()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = dict(line.partition(":")[::2] for line in lines if line.startswith(("model name", "flags")))
    names = {name.strip(): text.strip() for name, text in found.items()}
    flags = set(names.get("flags", "").split())
    wide = next((flag for flag in ("avx512_vnni", "avx512f", "avx2") if flag in flags), "no AVX2")
    return f"{names.get('model name', platform.machine())}, {os.cpu_count()} cores, {wide}"


def serve(make, repeats):
    """Answers each line on standard input with the seconds of a call of what `make` gives, the mean of `repeats`."""
    start = time.perf_counter()
    call = make()
    call()
    print(f"ready {time.perf_counter() - start}", flush=True)
    call()
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        print((time.perf_counter() - start) / repeats, flush=True)


def take_turns(commands, *, rounds, threads=None, environment=None):
    """Returns seconds to the end of the first call, and those of all rounds, by name of the side.

    Args:
        commands: arguments of a Python program that calls `serve`, by name; the first is ours, the second the peer.
        rounds: of each.
        threads: 1 binds all of them to one core; None: as they like.
        environment: variables that are set besides.
    """
    given = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **given, **(environment or {})}
    processes, first, times = {}, {}, {name: [] for name in commands}
    for name, command in commands.items():
        command = [*(["taskset", "-c", "0"] if threads == 1 else []), sys.executable, *command]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        line = process.stdout.readline()
        if not line.startswith("ready"):
            sys.exit(f"{name} ended before it was ready")
        processes[name], first[name] = process, float(line.split()[1])
        process.send_signal(signal.SIGSTOP)
    for turn in range(rounds):
        # Every other round goes backwards: what a side runs after would else favour one of them.
        for name, process in list(processes.items())[:: -1 if turn % 2 else 1]:
            process.send_signal(signal.SIGCONT)
            process.stdin.write("go\n")
            process.stdin.flush()
            times[name].append(float(process.stdout.readline()))
            process.send_signal(signal.SIGSTOP)
    for process in processes.values():
        process.kill()
    return first, times


def ratio_line(what, times):
    """Returns what the first side takes, and how many times as fast as the second it is: least, median and most."""
    (ours, own), (_, peer) = times.items()
    ratios = np.array(peer) / np.array(own)
    return (
        f"{what}: {ours} {1e3 * min(own):.1f} against {1e3 * min(peer):.1f} ms (best rounds); at least "
        f"{ratios.min():.2f} times as fast, median {np.median(ratios):.2f}, most {ratios.max():.2f}; {len(own)} rounds"
    )
