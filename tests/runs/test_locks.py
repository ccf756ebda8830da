"""A folder that one process at a time works in, also where a process is killed."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from avkeras.errors import AvkerasError
from avkeras.runs.locks import TRAINING, locked_folder

HOLDER = textwrap.dedent(
    """
    import sys
    from avkeras.runs.locks import TRAINING, locked_folder

    with locked_folder(sys.argv[1], TRAINING):
        print("held", flush=True)
        sys.stdin.read()
    """
)


def test_a_second_process_gets_one_line_and_a_killed_one_leaves_no_lock(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(AvkerasError) as refused, locked_folder(tmp_path / "run", TRAINING):
            pass
        line = "another process is training into this folder; wait for it, or give another --out"
        assert str(refused.value) == f"{tmp_path / 'run'}: {line}"
        os.kill(process.pid, signal.SIGKILL)
    with locked_folder(tmp_path / "run", TRAINING):
        pass


def test_folders_beside_and_inside_each_other_have_locks_of_their_own(tmp_path):
    with (
        locked_folder(tmp_path, TRAINING),
        locked_folder(tmp_path / "a", TRAINING),
        locked_folder(tmp_path / "b", TRAINING),
    ):
        pass
