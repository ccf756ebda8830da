"""Which models the values ask for, which data is refused before any work, and which clips a model is scored on."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from avkeras.data.manifest import Clip, write_manifest
from avkeras.data.records import RecordReader, RecordWriter
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import EXPERIMENTS, AudioTagging, ExperimentValues, SoundEventDetection, wanted_systems
from avkeras.experiments.tagging import build_model, run_audio_tagging
from avkeras.experiments.tagging_scores import clip_sets

RECIPES = Path(__file__).parents[2] / "recipes"


def test_the_systems_are_the_best_rows_of_table_1():
    assert wanted_systems(AudioTagging()) == {
        "audio": ("audio", "audio", ()),
        "video": ("video", "video", ("video",)),
        "audio+video": ("video", "audio", ("video",)),
    }


@pytest.mark.parametrize("first", ["audio", "video"])
@pytest.mark.parametrize("second", ["audio", "video"])
@pytest.mark.parametrize("positions", [(), ("video",), ("audio",), ("audio", "video")])
def test_every_row_of_table_1_is_a_model_of_its_own(first, second, positions):
    ((name, inputs),) = wanted_systems(AudioTagging(first=first, second=second, positions=positions)).items()
    assert name == f"{first}-{second}"
    assert inputs == (first, second, tuple(one for one in positions if one in (first, second)))


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"first": "video"}, "first, second: give both"),
        ({"first": "smell", "second": "audio"}, "first, second: 'smell' is none of audio, video"),
        ({"systems": ("audio", "both")}, "systems: 'both' is none of"),
        ({"positions": ("smell",)}, "positions: 'smell' is none of audio, video"),
    ],
)
def test_values_that_name_no_model_are_refused(values, answer):
    with pytest.raises(AvkerasError, match=answer):
        wanted_systems(AudioTagging(**values))


@pytest.mark.parametrize(
    ("recipe", "experiment"), [("dcase2017_av", "tagging"), ("dcase2020_multi_encoder", "detection")]
)
def test_the_recipe_shows_every_value_of_the_paper(recipe, experiment):
    """What a recipe's file says is what `avkeras train` does without options; all but the data stands in the file."""
    spec = importlib.util.spec_from_file_location(recipe, RECIPES / f"{recipe}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PRESETS["paper"] == EXPERIMENTS[experiment]()
    text = (RECIPES / f"{recipe}.py").read_text().split('"paper"')[1]
    names = {field.name for field in dataclasses.fields(EXPERIMENTS[experiment])}
    assert not {name for name in names - {"data", "records", "demo_clips", "workers"} if f"        {name}=" not in text}


def test_what_both_papers_have_stands_once():
    shared = {field.name for field in dataclasses.fields(ExperimentValues)}
    for kind, other in ((AudioTagging, SoundEventDetection), (SoundEventDetection, AudioTagging)):
        own = set(kind.__annotations__) - shared
        assert not own & {field.name for field in dataclasses.fields(other)}


def manifest_of(folder, *, splits=("train", "validation", "test"), labels=("Car",), video=True):
    clips = []
    for number, split in enumerate(splits):
        (folder / f"{number}.wav").touch()
        clips.append(
            Clip(str(number), folder / f"{number}.wav", folder / f"{number}.wav" if video else None, split, labels)
        )
    return write_manifest(folder / "manifest.tsv", clips, classes=["Car"]).path


@pytest.mark.parametrize(
    ("data", "values", "answer"),
    [
        ({"splits": ("train", "validation")}, {}, "no clip is of split test"),
        ({"splits": ("train", "test")}, {}, "no clip is of split validation"),
        ({"labels": ()}, {}, "no train clip has a label"),
        ({"video": False}, {"systems": ("audio+video",)}, "no clip has video, which is asked for"),
        ({"video": False}, {"first": "audio", "second": "video"}, "no clip has video, which is asked for"),
    ],
)
def test_data_that_gives_no_scores_is_refused_before_any_work(data, values, answer, tmp_path):
    path = manifest_of(tmp_path, **data)
    with pytest.raises(AvkerasError, match=f"manifest.tsv: {answer}"):
        run_audio_tagging(AudioTagging(data=path, out=tmp_path / "run", **values))
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize("size", [1, 41])
def test_batches_that_cannot_be_mixed_in_pairs_are_refused_before_any_work(size, tmp_path):
    values = {"system": "cnn_gru", "batch_size": size, "data": manifest_of(tmp_path), "out": tmp_path / "run"}
    with pytest.raises(AvkerasError, match=f"batch_size {size}: cnn_gru mixes clips in pairs"):
        run_audio_tagging(AudioTagging(**values))
    assert not (tmp_path / "run").exists()


def test_complete_clips_are_those_with_both_whatever_the_model_takes(tmp_path):
    from avkeras.data.manifest import read_manifest

    manifest = read_manifest(manifest_of(tmp_path, splits=("train", "validation", "test") * 2))
    stores = {}
    for modality, dim in (("audio", 4), ("video", 6)):
        with RecordWriter(tmp_path / modality, {"dim": dim}) as store:
            for number, clip in enumerate(manifest.clips):
                store.write(clip.id, "m", np.ones((0 if modality == "video" and number < 3 else 2, dim)))
        stores[modality] = RecordReader(tmp_path / modality)
    sizes = {
        (modalities, complete): len(clip_sets(manifest, stores, set(modalities), complete_only=complete)["test"])
        for modalities in (("audio",), ("video",), ("audio", "video"))
        for complete in (True, False)
    }
    assert sizes == {
        (("audio",), True): 1,
        (("audio",), False): 2,
        (("video",), True): 1,
        (("video",), False): 1,
        (("audio", "video"), True): 1,
        (("audio", "video"), False): 2,
    }
    assert list(clip_sets(manifest, stores, {"audio"}, complete_only=True)["test"].stores) == ["audio"]
    with pytest.raises(AvkerasError, match="no clip has video"):
        clip_sets(manifest, {"audio": stores["audio"]}, {"video"}, complete_only=False)


@pytest.mark.parametrize(("first", "second"), [("audio", "video"), ("video", "audio")])
def test_a_model_is_described_in_the_same_words_by_every_process(first, second):
    values = AudioTagging(blocks=1, dim=8)
    model = build_model(values, first=first, second=second, positions=(), dims={"video": 4, "audio": 3}, classes=2)
    assert list(model.get_config()["dims"]) == [first, second]
