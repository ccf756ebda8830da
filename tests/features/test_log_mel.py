import librosa
import numpy as np
import pytest
import tensorflow as tf

from avkeras.features.log_mel import log_mel

RANDOM = np.random.default_rng(0)


def noise_and_tones(samples=160000):
    """Coloured noise under a rising tone, with a pause: some 80 dB of range."""
    time = np.arange(samples) / 16000
    noise = np.cumsum(RANDOM.normal(size=samples))
    noise = noise - np.convolve(noise, np.ones(200) / 200, "same")
    sound = 0.02 * noise / np.abs(noise).max() + 0.3 * np.sin(2 * np.pi * (200 + 150 * time) * time)
    sound[samples // 3 : samples // 2] *= 1e-3
    return sound.astype("float32")


def librosa_log_mel(waveform, *, window=None, top_db=80.0):
    """What the DCASE 2020 baseline computes, of a waveform of peak 1, in double precision."""
    waveform = waveform.astype("float64") / np.abs(waveform).max()
    window = np.hamming(1024) if window is None else window
    spectrum = librosa.stft(waveform, n_fft=1024, hop_length=313, window=window, center=True, pad_mode="reflect")
    mel = librosa.feature.melspectrogram(S=np.abs(spectrum), sr=16000, n_mels=64, htk=False, norm=None)
    return librosa.amplitude_to_db(mel, top_db=top_db).T


@pytest.mark.parametrize("samples", [160000, 48123, 1024])
def test_equals_librosa(samples):
    sound = noise_and_tones(samples)
    levels, wanted = log_mel(sound).numpy(), librosa_log_mel(sound)
    assert levels.shape == wanted.shape == (1 + samples // 313, 64)
    magnitudes, wanted_magnitudes = 10 ** (levels / 20), 10 ** (wanted / 20)
    np.testing.assert_allclose(magnitudes, wanted_magnitudes, rtol=0, atol=1e-5 * wanted_magnitudes.max())
    np.testing.assert_allclose(levels, wanted, rtol=1e-5, atol=1e-3)


def test_ten_seconds_give_512_frames_of_64_bands():
    assert log_mel(np.ones(160000, "float32")).shape == (512, 64)


def test_values_reach_the_computation():
    sound = noise_and_tones(16000)
    np.testing.assert_allclose(
        log_mel(sound, window="hann", top_db=None), librosa_log_mel(sound, window="hann", top_db=None), atol=2e-3
    )
    assert log_mel(sound, frame_length=512, hop=100, bands=32).shape == (161, 32)
    assert np.ptp(log_mel(sound, top_db=20.0)) <= 20
    assert not np.allclose(log_mel(sound, sample_rate=8000), log_mel(sound))


def test_peak_is_normalised_and_silence_stays_finite():
    sound = noise_and_tones(16000)
    np.testing.assert_allclose(log_mel(0.01 * sound), log_mel(sound), atol=1e-3)
    np.testing.assert_array_equal(log_mel(np.zeros(16000, "float32")), np.full((52, 64), -100.0, "float32"))


def test_batches_and_datasets_give_the_same():
    clips = np.stack([noise_and_tones(8000), 0.1 * noise_and_tones(8000)])
    alone = [log_mel(clip).numpy() for clip in clips]
    np.testing.assert_allclose(log_mel(clips), alone, atol=1e-4)
    dataset = tf.data.Dataset.from_generator(lambda: clips, output_signature=tf.TensorSpec((None,))).map(log_mel)
    assert dataset.element_spec.shape == (None, 64)
    np.testing.assert_allclose(list(dataset.as_numpy_iterator()), alone, atol=1e-4)


def test_refuses_what_it_cannot_compute():
    with pytest.raises(ValueError, match="window must be 'hamming' or 'hann', not 'kaiser'"):
        log_mel(np.ones(16000, "float32"), window="kaiser")
    with pytest.raises(ValueError, match="the waveform has fewer than 513 samples"):
        log_mel(np.ones(512, "float32"))
    graph = tf.function(log_mel, input_signature=[tf.TensorSpec((None,))])
    with pytest.raises(tf.errors.InvalidArgumentError, match="the waveform has fewer than 513 samples"):
        graph(np.ones(512, "float32"))
