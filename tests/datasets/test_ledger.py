import signal
import subprocess
import sys
import textwrap
import time

import pytest

from avkeras.datasets.ledger import NAME, Entry, Ledger, read_ledger
from avkeras.errors import AvkerasError, WriteError

ENTRIES = [
    Entry("a", "failed", why="timed out"),
    Entry("b", "done", audio="audio/b.flac", video_why="the source has no pictures"),
    Entry("a", "done", audio="audio/a.flac", video="video/a.mp4"),
    Entry("c", "gone", why="HTTP 404 – “über”"),
]


def test_last_line_of_a_clip_wins(tmp_path):
    with Ledger(tmp_path) as ledger:
        for entry in ENTRIES:
            ledger.write(entry)
    assert read_ledger(tmp_path) == {entry.id: entry for entry in ENTRIES}
    assert len((tmp_path / NAME).read_bytes().splitlines()) == 4
    with Ledger(tmp_path) as ledger:
        ledger.write(ENTRIES[2])  # nothing new
    assert len((tmp_path / NAME).read_bytes().splitlines()) == 4


def test_a_cut_at_any_byte_loses_at_most_the_line_it_is_in(tmp_path):
    with Ledger(tmp_path) as ledger:
        for entry in ENTRIES:
            ledger.write(entry)
    content = (tmp_path / NAME).read_bytes()
    for length in range(len(content) + 1):
        (tmp_path / NAME).write_bytes(content[:length])
        whole = content[:length].count(b"\n")
        kept = {entry.id: entry for entry in ENTRIES[:whole]}
        assert read_ledger(tmp_path) == kept
        with Ledger(tmp_path) as ledger:
            assert ledger.entries == kept
            for entry in ENTRIES[whole:]:
                ledger.write(entry)
        assert (tmp_path / NAME).read_bytes() == content


def test_a_killed_writer_leaves_a_ledger_that_goes_on(tmp_path):
    code = (
        "import sys, itertools\nfrom avkeras.datasets.ledger import Entry, Ledger\n"
        "ledger = Ledger(sys.argv[1])\n"
        "for number in itertools.count():\n    ledger.write(Entry(str(number), 'failed', why='x' * (number % 300)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    while len(read_ledger(tmp_path)) < 50:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Ledger(tmp_path) as ledger:
        assert list(ledger.entries) == [str(number) for number in range(len(ledger.entries))]


def test_what_a_full_disk_cut_short_is_taken_back(tmp_path):
    """A limit on the size of a file lets a part of an entry through, as a disk does."""
    program = """
        import resource, sys
        from avkeras.datasets.ledger import Entry, Ledger
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        with Ledger(sys.argv[1]) as ledger:
            ledger.write(Entry("a", "failed", why="x" * 100))
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, limit[1]))
            try:
                ledger.write(Entry("b", "failed", why="y" * 100))
            except Exception as error:
                print(type(error).__name__, error)
            print(list(ledger.entries))
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            ledger.write(Entry("c", "failed", why="z" * 100))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [f"WriteError {tmp_path / NAME}: cannot be written: File too large", "['a']"]
    assert done.stdout.splitlines() == lines, done.stderr
    assert {id: entry.why[0] for id, entry in read_ledger(tmp_path).items()} == {"a": "x", "c": "z"}


def test_a_folder_that_cannot_be_made_names_the_ledger(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"file/out/ledger\.jsonl: cannot be written: Not a directory"):
        Ledger(tmp_path / "file" / "out")


def test_one_writer_at_a_time(tmp_path):
    with Ledger(tmp_path), pytest.raises(AvkerasError, match="another process is fetching into this folder"):
        Ledger(tmp_path)


def test_foreign_lines_are_named(tmp_path):
    (tmp_path / NAME).write_text('{"id": "a", "state": "done"}\n{"what": 1}\n')
    with pytest.raises(AvkerasError, match=r"ledger.jsonl:2: is not a line of a ledger"):
        Ledger(tmp_path)
    assert read_ledger(tmp_path / "none") == {}
