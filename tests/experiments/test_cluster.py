"""Extraction on a Ray cluster of two nodes on this machine, one of which is killed midway."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from media_corpus import bursts, write_clip

from avkeras.data.manifest import Clip, write_manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.extraction import extract_manifest
from avkeras.features.cluster import ClusterPool

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
    extract_manifest(manifest.path, out=tmp_path / "local", workers=1, **options)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    )
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


def test_no_cluster_is_one_line():
    pytest.importorskip("ray")
    with pytest.raises(AvkerasError, match="--cluster nonsense: no Ray cluster") as caught:
        ClusterPool("nonsense")
    assert "\n" not in str(caught.value)
