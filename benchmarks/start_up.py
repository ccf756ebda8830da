"""How long `import avkeras` and `avkeras --help` take, against a bare Python and against `import tensorflow`.

python benchmarks/start_up.py
"""

import subprocess
import sys
import time

import numpy as np

HELP = "from avkeras.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
PROGRAMS = {
    "python -c pass": "pass",
    "import avkeras": "import avkeras",
    "avkeras --help": HELP,
    "import tensorflow": "import tensorflow",
}


def main():
    times = {name: [] for name in PROGRAMS}
    for _ in range(5):
        for name, program in PROGRAMS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
            times[name].append(time.perf_counter() - start)
    bare = np.median(times["python -c pass"])
    for name, values in times.items():
        print(
            f"{name:18} {np.median(values):6.3f} s (median of 5), {np.median(values) / bare:6.1f} times a bare Python"
        )


if __name__ == "__main__":
    main()
