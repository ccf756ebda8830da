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
        store.write("c", "m3", rows(3), mask=[1, 0, 1, 1])
        store.fail("d", "m4", "no sound")
        assert store.done("a", "m1")
        assert not store.done("a", "other media")
        assert store.done("d", "m4")
        assert not store.done("d", "m4", retry_errors=True)
    reader = RecordReader(tmp_path / "s")
    np.testing.assert_array_equal(reader.read("a"), rows(1))
    np.testing.assert_array_equal(reader.read("c"), rows(3))
    assert reader.read("b").shape == (0, 3)
    assert reader.mask("c").tolist() == [True, False, True, True]
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
        with pytest.raises(AvkerasError, match="another process"):
            RecordWriter(tmp_path / "s", META)
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
