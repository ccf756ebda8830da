import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from avkeras.data.records import RecordReader, RecordWriter, media_digest, store_key
from avkeras.errors import AvkerasError

META = {"dim": 3, "embedder": "test"}


def rows(number, frames=4):
    return np.random.default_rng(number).normal(size=(frames, 3)).astype(np.float16)


def test_round_trip(tmp_path):
    with RecordWriter(tmp_path / "s", META) as store:
        store.write("a", "m1", rows(1), notes=("padded",))
        store.write("b", "m2", np.zeros((0, 3)))
        store.write("c", "m3", rows(3), seen=[1, 0, 1, 1])
        store.fail("d", "m4", "no sound")
        assert store.done("a", "m1")
        assert not store.done("a", "other media")
        assert store.done("d", "m4")
        assert not store.done("d", "m4", retry_errors=True)
    reader = RecordReader(tmp_path / "s")
    np.testing.assert_array_equal(reader.read("a"), rows(1))
    np.testing.assert_array_equal(reader.read("c"), rows(3))
    assert reader.read("b").shape == (0, 3)
    assert reader.seen("c").tolist() == [True, False, True, True]
    assert reader.records["a"].notes == ("padded",)
    assert reader.records["d"].error == "no sound"
    assert reader.verify() == []


def test_a_clip_written_again_is_read_anew(tmp_path):
    with RecordWriter(tmp_path / "s", META) as store:
        store.write("a", "m1", rows(1))
        store.write("a", "m2", rows(2, frames=2))
    np.testing.assert_array_equal(RecordReader(tmp_path / "s").read("a"), rows(2, frames=2))


def test_whatever_a_kill_leaves_behind_the_last_whole_line_is_cut_off(tmp_path):
    with RecordWriter(tmp_path / "whole", META) as store:
        for number in range(5):
            store.write(str(number), "m", rows(number))
    with RecordWriter(tmp_path / "s", META) as store:
        for number in range(3):
            store.write(str(number), "m", rows(number))
    index = (tmp_path / "s" / "index.jsonl").read_bytes()
    last = index.splitlines(keepends=True)[-1]
    for cut in range(1, len(last) + 1, 7):
        (tmp_path / "s" / "index.jsonl").write_bytes(index[: len(index) - cut])
        with RecordWriter(tmp_path / "s", META) as store:
            assert not store.done("2", "m")
            for number in range(2, 5):
                store.write(str(number), "m", rows(number))
        for name in ("index.jsonl", "data.f16"):
            assert (tmp_path / "s" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_killed_while_writing_and_resumed_equals_uninterrupted(tmp_path):
    script = textwrap.dedent(
        """
        import sys, time
        import numpy as np
        from avkeras.data.records import RecordWriter
        with RecordWriter(sys.argv[1], {"dim": 3, "embedder": "test"}) as store:
            for number in range(400):
                if not store.done(str(number), "m"):
                    rows = np.random.default_rng(number).normal(size=(4, 3))
                    store.write(str(number), "m", rows.astype(np.float16))
                    print(number, flush=True)
                    time.sleep(0.0005)
        """
    )

    def run(folder, kill_after=None):
        command = [sys.executable, "-c", script, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            written = 0
            for _ in process.stdout:
                written += 1
                if kill_after and written == kill_after:
                    os.kill(process.pid, signal.SIGKILL)
                    break
            process.stdout.read()
        return written

    assert run(tmp_path / "whole") == 400
    for kill_after in (37, 101):
        assert run(tmp_path / "killed", kill_after) == kill_after
    assert 200 < run(tmp_path / "killed") <= 400 - 37 - 101
    for name in ("index.jsonl", "data.f16", "meta.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_store_made_otherwise_and_a_second_writer_are_refused(tmp_path):
    with RecordWriter(tmp_path / "s", META) as store:
        store.write("a", "m", rows(1))
        second = RecordWriter(tmp_path / "s", META)
        assert second.done("a", "m")
        with pytest.raises(AvkerasError, match="another process"):
            second.write("b", "m", rows(1))
        store.write("b", "m", rows(1))
    second.write("b", "m", rows(1))  # it was written meanwhile
    second.close()
    assert (tmp_path / "s" / "data.f16").stat().st_size == 2 * rows(1).nbytes
    with pytest.raises(AvkerasError, match="other parameters"):
        RecordWriter(tmp_path / "s", {**META, "embedder": "another"})
    assert store_key(META) != store_key({**META, "embedder": "another"})


def test_damage_is_found(tmp_path):
    with RecordWriter(tmp_path / "s", META) as store:
        store.write("a", "m", rows(1))
        store.write("b", "m", rows(2))
    data = bytearray((tmp_path / "s" / "data.f16").read_bytes())
    data[5] ^= 1
    (tmp_path / "s" / "data.f16").write_bytes(data)
    assert RecordReader(tmp_path / "s").verify() == ["a"]
    (tmp_path / "s" / "data.f16").write_bytes(data[:30])
    with pytest.raises(AvkerasError, match=r"data\.f16 is shorter than its index says"):
        RecordReader(tmp_path / "s").read("b")
    with pytest.raises(AvkerasError, match="shorter than its index"):
        RecordWriter(tmp_path / "s", META)


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b"[]", b"{}"])
def test_damaged_facts_of_a_store_are_named(tmp_path, content):
    with RecordWriter(tmp_path, META) as store:
        store.write("a", "m", rows(1))
    (tmp_path / "meta.json").write_bytes(content)
    for opened in (lambda: RecordReader(tmp_path), lambda: RecordWriter(tmp_path, META)):
        with pytest.raises(AvkerasError, match=r"/meta\.json: is damaged; delete the store, and extract again$"):
            opened()


@pytest.mark.parametrize("line", [b"\0" * 40, b"", b"[]", b'{"what": 1}', b'{"id": "a", "media": "m", "notes": 1}'])
def test_a_damaged_line_of_an_index_is_named_and_can_be_deleted(tmp_path, line):
    with RecordWriter(tmp_path, META) as store:
        store.write("a", "m", rows(1))
    index = tmp_path / "index.jsonl"
    content = index.read_bytes()
    index.write_bytes(content + line + b"\n")
    for opened in (lambda: RecordReader(tmp_path), lambda: RecordWriter(tmp_path, META)):
        with pytest.raises(AvkerasError, match=r"/index\.jsonl:2: is damaged; delete that line, and extract again$"):
            opened()
    index.write_bytes(content)
    with RecordWriter(tmp_path, META) as store:
        store.write("b", "m", rows(2))
    np.testing.assert_array_equal(RecordReader(tmp_path).read("b"), rows(2))


@pytest.mark.parametrize(
    ("values", "part"),
    [(np.ones((2, 5)), "shape"), (np.full((2, 3), 1e6), "finite"), (np.full((2, 3), np.nan), "finite")],
)
def test_embeddings_that_half_precision_cannot_hold_are_refused(tmp_path, values, part):
    with RecordWriter(tmp_path / "s", META) as store, pytest.raises(ValueError, match=part):
        store.write("a", "m", values)


def test_a_digest_follows_the_content_and_not_the_name(tmp_path):
    for name, content in (("a", b"x" * 200_000), ("b", b"x" * 200_000), ("c", b"x" * 199_999 + b"y")):
        (tmp_path / name).write_bytes(content)
    digests = [media_digest(tmp_path / name) for name in "abc"]
    assert digests[0] == digests[1] != digests[2]
    assert media_digest(tmp_path / "a", None) != digests[0]


def test_no_store(tmp_path):
    with pytest.raises(AvkerasError, match="holds no embeddings"):
        RecordReader(tmp_path)


def test_a_complete_store_is_looked_at_without_a_trace(tmp_path):
    """As on a disk that cannot be written: not even the lock is taken, so many may look at once."""
    with RecordWriter(tmp_path / "s", META) as store:
        store.write("a", "m", rows(1))
    before = {file: file.stat() for file in (tmp_path / "s").iterdir()}
    with RecordWriter(tmp_path / "s", META) as writing:
        writing.fail("b", "m", "no sound")
        for _ in range(2):
            with RecordWriter(tmp_path / "s", META) as store:
                assert store.done("a", "m")
    after = {file: file.stat() for file in (tmp_path / "s").iterdir()}
    assert before.keys() == after.keys()
    assert {file.name for file in after if after[file] != before[file]} <= {"index.jsonl"}


def test_a_store_that_cannot_be_written_can_be_looked_at_and_says_what_is_wrong(tmp_path):
    with RecordWriter(tmp_path / "s", META) as store:
        store.write("a", "m", rows(1))
    program = """
        import os, sys
        import numpy as np
        from avkeras.data.records import RecordReader, RecordWriter
        if os.getuid() == 0:  # to root everything is allowed
            os.setuid(65534)
        folder, meta = sys.argv[1], {"dim": 3, "embedder": "test"}
        with RecordWriter(folder, meta) as store:
            print(store.done("a", "m"), RecordReader(folder).read("a").shape)
            try:
                store.write("b", "m", np.ones((1, 3)))
            except Exception as error:
                print(type(error).__name__, error)
        try:
            RecordWriter(folder + "/new", meta)
        except Exception as error:
            print(type(error).__name__, error)
    """
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.getuid() and path.is_relative_to("/tmp") and path != path.parent:
            path.chmod(0o755)
    (tmp_path / "s").chmod(0o555)
    for file in (tmp_path / "s").iterdir():
        file.chmod(0o444)
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (tmp_path / "s").chmod(0o755)
    assert done.stdout.splitlines() == [
        "True (4, 3)",
        f"WriteError {tmp_path}/s/index.jsonl: cannot be written: Permission denied",
        f"WriteError {tmp_path}/s/new/index.jsonl: cannot be written: Permission denied",
    ], done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_a_full_disk_is_named(tmp_path):
    with RecordWriter(tmp_path / "s", META):
        pass
    (tmp_path / "s" / "data.f16").unlink()
    (tmp_path / "s" / "data.f16").symlink_to("/dev/full")
    with RecordWriter(tmp_path / "s", META) as store:
        with pytest.raises(AvkerasError, match=r"s/data\.f16: cannot be written: No space left on device"):
            store.write("a", "m", rows(1))
        assert not store.done("a", "m")


def test_what_a_full_disk_cut_short_is_taken_back(tmp_path):
    """A limit on the size of a file lets a part of a clip through, as a disk does."""
    program = """
        import resource, signal, sys
        import numpy as np
        from avkeras.data.records import RecordReader, RecordWriter
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with RecordWriter(sys.argv[1], {"dim": 3}) as store:
            store.write("a", "m", np.ones((100, 3)))
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (700, limit[1]))
            try:
                store.write("b", "m", np.full((100, 3), 2.0))
            except Exception as error:
                print(type(error).__name__, error)
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            store.write("c", "m", np.full((100, 3), 3.0))
        reader = RecordReader(sys.argv[1])
        print(reader.verify(), float(reader.read("c").mean()))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [f"WriteError {tmp_path}/s/data.f16: cannot be written: File too large", "[] 3.0"]
    assert done.stdout.splitlines() == lines, done.stderr
