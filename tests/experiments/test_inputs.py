"""One split of the clips for models of different inputs, also where an extraction failed for one of them."""

import dataclasses
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from avkeras.data.manifest import Clip, Event, Manifest
from avkeras.data.records import RecordWriter
from avkeras.errors import AvkerasError
from avkeras.experiments import detection, tagging
from avkeras.experiments.configs import AudioTagging, SoundEventDetection
from avkeras.experiments.detection import DetectionReport, detection_set
from avkeras.experiments.detection_results import with_video
from avkeras.experiments.inputs import Features, UsedEmbedder, pin_media, pin_run, write_inputs
from avkeras.features.clip_reading import SoundRows
from avkeras.features.embedder import EmbedderSpec
from avkeras.features.write_clips import Summary, write_clips
from avkeras.runs.files import read_json, write_json


def features_of(folder):
    """Five test clips: one fails for the second embedder, and one has no pictures for it."""
    clips = [
        Clip(name, Path("x"), Path("x") if name != "e" else None, "test", ("Dog",), (Event(0.1, 0.5, "Dog"),), "strong")
        for name in "abcde"
    ]
    stores = {}
    for name, dim in (("audio", 64), ("one", 3), ("other", 5)):
        stores[name] = folder / name
        with RecordWriter(folder / name, {"dim": dim}) as store:
            for clip in clips:
                lacks = (name != "audio" and clip.id == "e") or (name == "other" and clip.id == "c")
                if name == "other" and clip.id == "b":
                    store.fail(clip.id, "m", "b.mp4: truncated")
                else:
                    store.write(clip.id, "m", np.ones((0 if lacks else 8, dim)))
    embedders = {
        name: UsedEmbedder(f"given_{name}", EmbedderSpec(name, "video", dim, size=(8, 8)), "digest")
        for name, dim in (("one", 3), ("other", 5))
    }
    manifest = Manifest(folder / "manifest.tsv", tuple(clips), ("Dog",))
    return manifest, Features(stores, embedders, Summary()).checked()


def test_all_models_are_scored_on_the_same_clips_split_the_same_way(tmp_path):
    manifest, features = features_of(tmp_path)
    found = {}
    for visual in ((), ("given_one",), ("given_other",), ("given_one", "given_other")):
        chosen = features.of(visual)
        assert set(chosen.stores) == {"audio", *(name.removeprefix("given_") for name in visual)}
        report = DetectionReport(SoundEventDetection(visual=visual, visual_frames=4), manifest, chosen)
        test = detection_set("test", manifest, chosen.readers(), report)
        found[visual] = ([clip.id for clip in test.clips], with_video(test, chosen).tolist())
        assert [clip for clip, _ in report.left_out] == ["b"]
    assert set(map(str, found.values())) == {str((["a", "c", "d", "e"], [True, False, True, False]))}


def test_a_model_that_stands_alone_is_split_by_what_the_manifest_names(tmp_path):
    manifest, features = features_of(tmp_path)
    alone = Features({"audio": features.stores["audio"]}, {}, Summary()).checked()
    report = DetectionReport(SoundEventDetection(visual=()), manifest, alone)
    test = detection_set("test", manifest, alone.readers(), report)
    assert with_video(test, alone).tolist() == [True, True, True, True, False]
    assert not report.left_out


def test_what_another_manifest_adds_to_the_folder_is_not_seen(tmp_path):
    """Clips of the same ids, of other media: a run of a table may open the stores hours after they were filled."""
    meta, media = {"dim": 2}, tmp_path / "a.wav"
    media.write_bytes(b"mine")
    store = tmp_path / "audio"

    def filled(value):
        reader = FakeReader(value)
        clips = [Clip("a", media, None, "test", ("Dog",))]
        options = {"workers": 1, "pool": None, "patience": 60.0, "retry_errors": False, "progress": None}
        return Features({"audio": store}, {}, write_clips(clips, {"audio": (store, meta)}, reader, **options))

    mine = filled(1.0)
    assert mine.readers()["audio"].read("a").tolist() == [[1.0, 1.0]]
    media.write_bytes(b"theirs")
    theirs = filled(2.0)
    assert theirs.readers()["audio"].read("a").tolist() == [[2.0, 2.0]]
    assert mine.readers()["audio"].read("a").tolist() == [[1.0, 1.0]]


class FakeReader:
    """Makes one row of a value of any sound."""

    def __init__(self, value):
        self.value, self.networks, self.visual = value, {}, {}

    def read_sound(self, path, embed, decoder):
        rows = Future()
        rows.set_result(np.full((1, 2), self.value))
        return SoundRows([rows], 1.0)

    def picture_times(self, sound):
        return np.zeros(1)


def test_inputs_are_told_as_seen_from_the_runs_folder(tmp_path):
    manifest, features = features_of(tmp_path)
    write_inputs(tmp_path / "runs" / "a", manifest, features, more=1)
    found = read_json(tmp_path / "runs" / "a" / "inputs.json")
    assert (found["manifest"], found["stores"]["one"], found["more"]) == ("../../manifest.tsv", "../../one", 1)
    assert found["embedders"]["one"]["embedder"] == "given_one"
    assert EmbedderSpec(**found["embedders"]["one"]["spec"]).dim == 3


def test_other_clips_are_refused_once_training_has_begun(tmp_path):
    manifest, features = features_of(tmp_path)
    values = SoundEventDetection(data=manifest.path, out=tmp_path / "run")
    other = dataclasses.replace(manifest, classes=("Cat", "Dog"))
    pin_run(values, other)
    pin_run(values, manifest)  # mended before anything was trained
    write_inputs(values.out, manifest, features)
    pin_run(values, manifest)
    with pytest.raises(AvkerasError) as refused:
        pin_run(values, other)
    assert str(refused.value) == (
        f"{values.out}: was trained on other clips or labels than {manifest.path} now holds; give another --out"
    )


def test_a_run_that_does_not_tell_its_clips_stays_usable_and_gets_no_digest(tmp_path):
    manifest, features = features_of(tmp_path)
    values = SoundEventDetection(data=manifest.path, out=tmp_path / "run")
    write_inputs(values.out, manifest, features)
    file = values.out / "inputs.json"
    told = read_json(file)
    assert told.pop("clips_sha256") == manifest.digest()
    write_json(file, told)
    pin_run(values, dataclasses.replace(manifest, classes=("Cat", "Dog")))
    write_inputs(values.out, manifest, features)
    assert read_json(file) == told


@pytest.mark.parametrize("experiment", [tagging, detection])
def test_other_media_are_refused_once_training_has_begun(tmp_path, experiment):
    manifest, features = features_of(tmp_path)
    kind = {tagging: AudioTagging, detection: SoundEventDetection}[experiment]
    values = kind(data=manifest.path, out=tmp_path / "run")
    write_inputs(values.out, manifest, features, **pin_media(values.out, manifest, features.readers()))
    assert pin_media(values.out, manifest, features.readers())  # the same media
    with RecordWriter(features.stores["audio"], {"dim": 64}) as store:
        store.write("a", "another", np.ones((8, 64)))
    with pytest.raises(AvkerasError) as refused:
        experiment.run_on_features(values, manifest, features)
    assert str(refused.value) == (
        f"{values.out}: was trained when media of {manifest.path} were others, or others of them failed; "
        "give another --out"
    )
    told = read_json(values.out / "inputs.json")
    del told["media_sha256"]
    write_json(values.out / "inputs.json", told)
    assert pin_media(values.out, manifest, features.readers()) == {}  # nobody knows what it was trained on
