"""All benchmarks that need nothing but packages, one after the other, and a page with what they print.

    python benchmarks/all.py --quick                    # under 15 minutes on two quiet cores
    python benchmarks/all.py --out results.md

The page has the processor's name and the versions of what was compared. A benchmark that fails is told in its place,
the others go on, and the exit status is 1.
"""

import argparse
import importlib.metadata
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sides import processor

FOLDER = "{folder}"
# Name of the program, its arguments, and those of --quick.
PROGRAMS = (
    ("start_up.py", [], []),
    ("train_step_vs_pytorch.py", ["--threads", "2"], ["--threads", "2", "--rounds", "7"]),
    ("detection_step_vs_pytorch.py", ["--block", "transformer", "--batch", "32"], ["--batch", "16", "--rounds", "5"]),
    (
        "detection_step_vs_pytorch.py",
        ["--block", "conformer", "--batch", "32"],
        ["--block", "conformer", "--batch", "16", "--rounds", "5"],
    ),
    ("roofline.py", ["tagging"], ["tagging"]),
    ("inference_vs_pytorch.py", [], ["--rounds", "7"]),
    ("first_answer.py", [], ["--rounds", "2"]),
    ("evaluate_vs_tools.py", [], ["--repeats", "1"]),
    ("exact_psds_vs_sed_scores_eval.py", [], ["--rounds", "1"]),
    ("search_vs_sed_eval.py", [], []),
    ("bootstrap.py", [], []),
    ("scale.py", ["--folder", FOLDER], ["--folder", FOLDER, "--clips", "1000", "20000", "--frames", "10", "64"]),
)
PACKAGES = ("tensorflow", "keras", "torch", "numpy", "sed_eval", "psds_eval", "sed_scores_eval")


def versions():
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller batches")
    parser.add_argument("--out", type=Path, default=Path("benchmark_results.md"))
    options = parser.parse_args()
    lines, failed, begun = [f"# Benchmarks on {processor()}", "", f"{versions()}."], [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for program, usual, quick in PROGRAMS:
            arguments = [folder if one == FOLDER else one for one in (quick if options.quick else usual)]
            start = time.monotonic()
            command = [sys.executable, str(Path(__file__).with_name(program)), *arguments]
            done = subprocess.run(command, capture_output=True, text=True)
            shown = " ".join([program, *(FOLDER if one == folder else one for one in arguments)])
            text = done.stdout.strip() if not done.returncode else f"FAILED: {done.stderr.strip()[-500:]}"
            failed += [shown] if done.returncode else []
            quoted = [text] if text.startswith("|") or "\n|" in text else ["```", text, "```"]
            lines += ["", f"## {shown}", "", *quoted, "", f"{time.monotonic() - start:.0f} s."]
            options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
            print(f"{time.monotonic() - begun:6.0f} s  {shown}: {'FAILED' if done.returncode else 'done'}", flush=True)
    print(f"written: {options.out}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
