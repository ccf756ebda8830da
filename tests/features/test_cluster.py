"""Extraction on a Ray cluster of two nodes on this machine, one of which is killed midway."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from media_corpus import bursts, write_clip

from avkeras.data.manifest import Clip, write_manifest
from avkeras.data.records import RecordReader
from avkeras.errors import AvkerasError
from avkeras.features.cluster import ClusterPipeline, ClusterPool
from avkeras.features.extraction import extract_manifest

CLIPS = 24


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    clips = []
    for number in range(CLIPS):
        sound = folder / f"{number}.wav"
        soundfile.write(sound, bursts(2.0 + number / 8, 16000, at=(0.1 * number,))[0], 16000)
        clips.append(Clip(str(number), sound, None, "train"))
    film = write_clip(folder / "film.mp4", frame_times=np.arange(30) / 10, sound=bursts(3.0, 44100))
    (folder / "text.wav").write_text("<html>")
    clips[5:5] = [Clip("film", film, film, "train"), Clip("text", folder / "text.wav", None, "train")]
    return write_manifest(folder / "manifest.tsv", clips, classes=["Car"])


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_killed_node_loses_nothing_and_the_stores_are_those_of_one_machine(
    manifest, embedders, embedder_cache, tmp_path, monkeypatch
):
    utils = pytest.importorskip("ray.cluster_utils")
    names = [str(next(embedder_cache.glob("vggish_stand_in-*"))), str(embedder_cache / "mean_colour")]
    options = {"embedders": names, "detection": True, "visual_frames": 16}
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    )
    # oneDNN may round otherwise than TensorFlow's own kernels: nodes must take the side that is chosen here.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    arguments = [str(manifest.path), "--embedders", *names, "--detection", "--visual-frames", "16", "--workers", "1"]
    code = f"from avkeras.cli import main; main({['extract', *arguments, '--out', str(tmp_path / 'local')]!r})"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=2)
        cluster.wait_for_nodes()
        killed = []

        def step(title):
            def moved(done, total):
                if done == 6 and not killed:
                    cluster.remove_node(node, allow_graceful=False)
                    killed.append(title)

            return moved

        runs = extract_manifest(
            manifest.path, out=tmp_path / "cluster", cluster=cluster.address, progress=step, **options
        )
    finally:
        cluster.shutdown()
    assert killed
    assert [dict(run.summary.errors) for run in runs] == [{"text": "this is text, not media"}] * 2
    assert contents(tmp_path / "cluster") == contents(tmp_path / "local")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_what_a_killed_node_was_at_is_run_again(tmp_path, monkeypatch):
    utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    folder = str(tmp_path)

    def work(number):
        """Says in which process it runs, and waits to be let go."""
        import os
        import pathlib
        import time

        pathlib.Path(folder, f"{number}.{os.getpid()}").touch()
        while not pathlib.Path(folder, "go").exists():
            time.sleep(0.1)
        return number

    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=2)
        cluster.wait_for_nodes()
        with ClusterPool(cluster.address) as pool:
            calls = [pool.submit(work, number) for number in range(3)]
            deadline = time.monotonic() + 240
            while len(list(tmp_path.iterdir())) < 3:
                assert time.monotonic() < deadline, "the calls did not begin"
                time.sleep(0.1)
            cluster.remove_node(node, allow_graceful=False)
            # Its processes outlive it for a moment.
            while sum(Path("/proc", path.suffix[1:]).exists() for path in tmp_path.iterdir()) > 1:
                assert time.monotonic() < deadline, "the killed node's processes go on"
                time.sleep(0.1)
            (tmp_path / "go").touch()
            assert [call.result() for call in calls] == [0, 1, 2]
            assert len(list(tmp_path.glob("*.*"))) == 5  # two of the three calls began twice
    finally:
        cluster.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_node_computes_by_the_kernels_that_are_set_here(monkeypatch):
    utils = pytest.importorskip("ray.cluster_utils")
    names = ("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS")

    def settings():
        """Returns what a node's process has, and whether TensorFlow could still read it."""
        import os
        import sys

        return {name: os.environ.get(name) for name in names}, "tensorflow" in sys.modules

    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
        with ClusterPool(cluster.address) as pool:
            found = pool.submit(settings).result()
    finally:
        cluster.shutdown()
    assert found == ({"TF_ENABLE_ONEDNN_OPTS": "1", "TF_NUM_INTRAOP_THREADS": None}, False)


def test_no_cluster_is_one_line():
    pytest.importorskip("ray")
    with pytest.raises(AvkerasError, match="cluster nonsense: no Ray cluster") as caught:
        ClusterPool("nonsense")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_an_address_where_nothing_answers_is_refused_at_once(host, monkeypatch):
    ray = pytest.importorskip("ray")
    # Ray looks for a head for minutes, writing lines of its own.
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray was asked"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening, and nobody else's meanwhile
        address = f"{host}:{taken.getsockname()[1]}"
        with pytest.raises(AvkerasError, match=re.escape(f"cluster {address}: no Ray cluster can be reached there")):
            ClusterPool(address)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_lost_cluster_ends_the_run_with_one_line_and_fails_no_clip(
    manifest, embedders, embedder_cache, tmp_path, monkeypatch
):
    utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    sound = manifest.clips[0].audio
    clips = [Clip(f"c{number}", sound, None, "train") for number in range(600)]
    many = write_manifest(tmp_path / "manifest.tsv", clips, classes=["Car"])
    name = str(next(embedder_cache.glob("vggish_stand_in-*")))
    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        arguments = ["extract", str(many.path), "--embedders", name, "--cluster", cluster.address]
        code = f"from avkeras.cli import main; main({arguments!r})"
        run = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 240
        while not any(path.stat().st_size for path in tmp_path.glob("records/audio-*/index.jsonl")):
            assert run.poll() is None
            assert time.monotonic() < deadline, "nothing was written"
            time.sleep(0.02)
    finally:
        cluster.shutdown()
    _, said = run.communicate(timeout=120)
    assert run.returncode == 1, said
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if "the cluster was lost" in line]) == 1, said
    (store,) = tmp_path.glob("records/audio-*")
    written = RecordReader(store).records
    assert 0 < len(written) < 600
    assert not any(record.error for record in written.values())
    (rest,) = extract_manifest(many.path, embedders=[name])
    assert rest.summary.reused == len(written)
    assert not rest.summary.errors
    (whole,) = extract_manifest(many.path, embedders=[name], out=tmp_path / "whole")
    assert contents(store) == contents(whole.stores["audio"])


def test_a_clip_that_ends_its_process_takes_no_other_with_it():
    ray = pytest.importorskip("ray")

    class Call:
        def __init__(self, media):
            self.media = media

        def result(self):
            if ("killer", None) in self.media:
                raise ray.exceptions.WorkerCrashedError
            return ["no such file" if audio == "gone" else audio for audio, _ in self.media]

    class Pool:
        def submit(self, function, reader, media, *, patience):
            assert patience == 7.0
            return Call(media)

    class Reader:
        pass

    media = [(name, None) for name in ("a", "gone", "killer", "b")]
    pipeline = ClusterPipeline(Pool(), Reader(), patience=7.0)
    found = dict(zip(("a", "gone", "killer", "b"), pipeline.submit_all(media), strict=True))
    # Text in the place of features is the reason why there are none.
    for name, reason in (("a", "a"), ("gone", "no such file"), ("b", "b")):
        with pytest.raises(AvkerasError) as caught:
            found[name].result()
        assert str(caught.value) == reason
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        found["killer"].result()
