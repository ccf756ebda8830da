import functools

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from avkeras.data.mixup import log_mel_silence, mixup
from avkeras.features.log_mel import log_mel

SIZE = 12
KINDS = np.array([2, 1, 0] * 4, "int8")


def batch():
    """Clip i: all its values are one-hot in place i, so that a mix tells who is in it and with what share."""
    one_hot = np.eye(SIZE, dtype="float32")
    x = {"audio": np.repeat(one_hot[:, None], 3, axis=1), "video": np.repeat(one_hot[:, None], 2, axis=1)}
    y = {"supervision": KINDS, "clip": one_hot, "frame": np.repeat(one_hot[:, None], 3, axis=1)}
    return {k: tf.constant(v) for k, v in x.items()}, {k: tf.constant(v) for k, v in y.items()}


@functools.cache
def compiled(**options):
    return tf.function(lambda seed: mixup(*batch(), seed=seed, **options)[1]["clip"])


def shares(seed, **options):
    return compiled(**options)(tf.constant(seed, tf.int64)).numpy()


@pytest.mark.parametrize("per_clip", [False, True])
def test_clips_meet_their_own_kind_only_and_targets_follow_inputs(per_clip):
    for step in range(20):
        x, y = mixup(*batch(), seed=(1, step), rate=1.0, per_clip=per_clip)
        clip = y["clip"].numpy()
        np.testing.assert_allclose(clip.sum(axis=1), 1, rtol=1e-6)
        assert not clip[KINDS[:, None] != KINDS].any()
        for mixed in (x["audio"], x["video"], y["frame"]):
            np.testing.assert_array_equal(mixed, np.repeat(clip[:, None], mixed.shape[1], axis=1))
        np.testing.assert_array_equal(y["supervision"], KINDS)


def test_partners_are_a_permutation_of_each_kind_and_differ_from_batch_to_batch():
    seen = set()
    for step in range(30):
        clip = shares((0, step), rate=1.0, concentration=1.0)
        own = np.diag(clip)
        partners = np.where(own < 1, np.argmax(clip * (1 - np.eye(SIZE)), axis=1), np.arange(SIZE))
        assert sorted(partners) == list(range(SIZE))
        seen.add(tuple(partners))
    assert len(seen) > 25


def test_a_third_of_the_batches_is_mixed_each_kind_at_one_ratio():
    mixed = 0
    for step in range(600):
        clip = shares((3, step))
        own = np.diag(clip)
        touched = own < 1
        mixed += bool(touched.any())
        for kind in range(3):
            assert len(np.unique(own[touched & (kind == KINDS)])) <= 1
    # 600 draws at 1 / 3: deviation 12; a batch whose ratios or permutations change nothing is rare
    assert abs(mixed - 200) < 48


def test_per_clip_a_third_of_the_clips_is_mixed():
    touched = np.concatenate([np.diag(shares((4, step), per_clip=True)) < 1 for step in range(300)])
    # a quarter of the partners are the clip itself
    assert abs(touched.mean() - 0.75 / 3) < 0.03


def test_ratios_are_beta_distributed():
    values = []
    for step in range(500):
        clip = shares((5, step), rate=1.0, per_clip=True)
        moved = np.diag(clip) < 1
        values.append(np.diag(clip)[moved])
    values = np.concatenate(values)
    # clips that float32 rounds to a share of 1 look untouched: compare what lies below
    values = values[values < 0.999]
    below = stats.beta.cdf(0.999, 0.2, 0.2)
    assert stats.kstest(values, lambda value: stats.beta.cdf(value, 0.2, 0.2) / below).pvalue > 0.001


def test_the_seed_decides():
    np.testing.assert_array_equal(shares((1, 2), rate=1.0), shares((1, 2), rate=1.0))
    assert np.any(shares((1, 2), rate=1.0) != shares((1, 3), rate=1.0))
    assert np.any(shares((1, 2), rate=1.0) != shares((2, 2), rate=1.0))


def test_rate_zero_changes_nothing():
    x, y = batch()
    mixed_x, mixed_y = mixup(x, y, seed=(0, 0), rate=0.0)
    for before, after in ((x, mixed_x), (y, mixed_y)):
        assert before.keys() == after.keys()
        for name in before:
            np.testing.assert_array_equal(before[name], after[name])
            assert before[name].dtype == after[name].dtype


def test_a_mixed_clip_has_video_only_if_both_have_and_absent_values_reach_nothing():
    x, y = batch()
    present = np.arange(SIZE) % 2 == 0
    x["video_mask"] = tf.constant(np.repeat(present[:, None], 2, axis=1))
    x["video"] = tf.where(x["video_mask"][:, :, None], x["video"], np.nan)
    for step in range(20):
        mixed_x, mixed_y = mixup(x, y, seed=(6, step), rate=1.0, concentration=1.0)
        clip = mixed_y["clip"].numpy()
        both = np.array([present[share > 0].all() for share in clip])
        np.testing.assert_array_equal(mixed_x["video_mask"], np.repeat(both[:, None], 2, axis=1))
        video = mixed_x["video"].numpy()
        assert np.isfinite(video).all()
        np.testing.assert_array_equal(video[both], np.repeat(clip[both][:, None], 2, axis=1))


def test_a_mix_is_as_long_as_the_longer_clip_and_what_is_not_there_counts_as_zeros():
    length = np.array([3, 2, 1] * 4)[:, None]
    length = np.where(np.arange(SIZE)[:, None] < 6, length, 3)
    mask = np.arange(3) < length
    x, y = batch()
    x["audio_mask"], y["frame_mask"] = tf.constant(mask), tf.constant(mask)
    x["audio"] = tf.where(mask[:, :, None], x["audio"], np.inf)
    for step in range(20):
        mixed_x, mixed_y = mixup(x, y, seed=(7, step), rate=1.0, concentration=1.0, silence={})
        clip = mixed_y["clip"].numpy()
        longest = np.array([length[share > 0].max() for share in clip])[:, None]
        np.testing.assert_array_equal(mixed_x["audio_mask"], np.arange(3) < longest)
        np.testing.assert_array_equal(mixed_y["frame_mask"], np.arange(3) < longest)
        expected = clip[:, None, :] * mask.T[None]
        np.testing.assert_array_equal(mixed_x["audio"], expected)
        np.testing.assert_array_equal(mixed_y["frame"], expected)


def test_a_short_clip_is_mixed_as_if_it_were_silent_after_its_end():
    """A clip of 1 s and the same clip with 1 s of silence behind it give the same mix with a clip of 2 s."""
    random = np.random.default_rng(0)
    hop, seconds = 313, 16000
    waves = random.normal(size=(2, 2 * seconds)).astype("float32") * [[1.0], [0.1]]
    short = waves[0, :seconds]
    silent_behind = np.concatenate([short, np.zeros(seconds, "float32")])
    long, extended = log_mel(waves[1]).numpy(), log_mel(silent_behind).numpy()
    frames = 1 + (seconds - 512) // hop  # those whose window sees nothing of what comes behind the end
    padded = np.full_like(long, np.nan)
    padded[:frames] = log_mel(short).numpy()[:frames]
    np.testing.assert_allclose(padded[:frames], extended[:frames], atol=1e-3)
    silent = slice(frames + 4, None)
    level = extended[silent].max()
    assert extended[silent].min() == level == pytest.approx(extended.max() - 80, abs=1e-4)  # -44 dB or so, not 0
    targets = {"supervision": np.array([1, 1]), "clip": np.eye(2, dtype="float32")}

    def mixed(first, length):
        x = {"audio": np.stack([first, long]), "audio_mask": np.arange(len(long)) < [[length], [len(long)]]}
        x, y = ({name: tf.constant(value) for name, value in part.items()} for part in (x, targets))
        x, y = mixup(x, y, seed=(0, 3), rate=1.0, concentration=1.0)
        return x["audio"].numpy(), x["audio_mask"].numpy(), y["clip"].numpy()

    one, mask, share = mixed(padded, frames)
    other, _, _ = mixed(extended, len(long))
    assert 0.1 < share[0, 0] < 0.9  # these two clips are mixed
    assert mask.all()
    np.testing.assert_allclose(one[:, silent], other[:, silent], atol=1e-3)
    np.testing.assert_allclose(one[0, silent], share[0, 0] * level + share[0, 1] * long[silent], atol=1e-3)


def test_a_clip_of_digital_silence_stays_at_the_lowest_level():
    levels = log_mel(np.zeros(16000, "float32"))[None]
    assert log_mel_silence(levels, tf.ones(levels.shape[:2], "bool")).numpy().item() == levels.numpy().max() == -100


def test_runs_in_tf_data_with_unknown_batch_size_and_half_precision():
    x, y = batch()
    x = {name: tf.cast(value, tf.float16) for name, value in x.items()}
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    sizes = [tf.shape(y["clip"])[0].numpy() for _, y in dataset.map(functools.partial(mixup, seed=(1, 1), rate=1.0))]
    assert sizes == [8, 4]


def test_what_cannot_be_interpolated_is_refused_by_name():
    x, y = batch()
    with pytest.raises(ValueError, match="cannot interpolate 'id' of type string"):
        mixup({**x, "id": tf.constant(["a"] * SIZE)}, y, seed=(0, 0))
