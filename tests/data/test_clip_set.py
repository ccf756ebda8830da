import numpy as np
import pytest
import tensorflow as tf
from graph_operations import python_in

from avkeras.data.clip_set import ClipSet
from avkeras.data.manifest import Clip
from avkeras.data.records import RecordReader, RecordWriter
from avkeras.data.sampling import BalancedSampler

CLASSES = ("Bus", "Car", "Train")


@pytest.fixture
def stores(tmp_path):
    """Audio of 2 to 5 frames for clips 0 to 11; video for the even ones, one frame of clip 4 not seen; 7 failed."""
    generator = np.random.default_rng(0)
    with RecordWriter(tmp_path / "audio", {"dim": 3}) as audio, RecordWriter(tmp_path / "video", {"dim": 5}) as video:
        for number in range(12):
            frames = 2 + number % 4
            if number == 7:
                audio.fail("7", "m", "no sound")
                video.fail("7", "m", "no sound")
                continue
            audio.write(str(number), "m", generator.normal(size=(frames, 3)))
            seen = np.arange(frames) != (1 if number == 4 else -1)
            video.write(str(number), "m", generator.normal(size=(frames if number % 2 == 0 else 0, 5)),
                        seen=seen if number % 2 == 0 else [])  # fmt: skip
    return {"audio": RecordReader(tmp_path / "audio"), "video": RecordReader(tmp_path / "video")}


@pytest.fixture
def clips(tmp_path):
    return [Clip(str(n), tmp_path / "x", None, "train", (CLASSES[n % 3],)) for n in range(13)]


def test_a_batch_holds_the_records_padding_and_masks(stores, clips):
    batch = ClipSet(clips, stores, CLASSES).inputs(np.array([4, 1, 3]))
    assert batch["audio"].shape == (3, 5, 3)
    assert batch["video"].shape == (3, 2, 5)
    np.testing.assert_array_equal(batch["audio"][2, :5], stores["audio"].read("3"))
    np.testing.assert_array_equal(batch["audio"][0, :2], stores["audio"].read("4"))
    assert not batch["audio"][0, 2:].numpy().any()
    assert batch["audio_mask"].numpy().sum(axis=1).tolist() == [2, 3, 5]
    assert batch["video_mask"].numpy().tolist() == [[True, False], [False, False], [False, False]]


def test_clips_without_embeddings_are_left_out_and_named(stores, clips):
    clip_set = ClipSet(clips, stores, CLASSES)
    assert [clip.id for clip in clip_set.clips] == [str(n) for n in range(12) if n != 7]
    assert clip_set.left_out == [("7", "no sound"), ("12", "no audio embeddings were extracted")]
    assert clip_set.has("video").tolist() == [n % 2 == 0 for n in range(12) if n != 7]
    complete = ClipSet(clips, stores, CLASSES, complete_only=True)
    assert [clip.id for clip in complete.clips] == ["0", "2", "4", "6", "8", "10"]
    assert ("1", "has no video") in complete.left_out


def test_the_data_set_gives_every_clip_once_in_order(stores, clips):
    clip_set = ClipSet(clips, stores, CLASSES)
    batches = list(clip_set.dataset(batch_size=4))
    assert len(batches) == len(clip_set.dataset(batch_size=4)) == 3
    np.testing.assert_array_equal(np.concatenate([targets for _, targets in batches]), clip_set.targets)
    inputs, _ = batches[-1]
    assert set(inputs) == {"audio", "audio_mask", "video", "video_mask"}
    assert inputs["audio"].dtype == "float16"
    np.testing.assert_array_equal(inputs["audio"][-1, :5], stores["audio"].read("11"))


def test_training_batches_are_those_of_the_sampler_from_any_step(stores, clips):
    clip_set = ClipSet(clips, stores, CLASSES)
    sampler = BalancedSampler(clip_set.targets, batch_size=6, seed=1)
    whole = list(clip_set.training_dataset(sampler, steps=7))
    rest = list(clip_set.training_dataset(sampler, steps=7, first_step=4))
    assert len(whole) == 7
    for (inputs, targets), (again, targets_again) in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(targets, targets_again)
        for name in inputs:
            np.testing.assert_array_equal(inputs[name], again[name])
    np.testing.assert_array_equal(whole[2][1], clip_set.targets[sampler.batches(2, 3)[0]])


def test_no_python_runs_while_a_data_set_is_read(stores, clips):
    """An iterator that is dropped while it waits for Python never ends."""
    clip_set = ClipSet(clips, stores, CLASSES)
    sampler = BalancedSampler(clip_set.targets, batch_size=6)
    assert not python_in(lambda: clip_set.training_dataset(sampler, steps=3))
    assert not python_in(clip_set.dataset)
    # It would be found.
    assert python_in(lambda: tf.data.Dataset.range(3).map(lambda n: tf.numpy_function(abs, [n], tf.int64)))
