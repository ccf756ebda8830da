"""The published systems' levels of sound, held against librosa and SciPy."""

import librosa
import numpy as np
import pytest
import scipy.signal
import soundfile

from avkeras.features.clip_reading import read_clip
from avkeras.features.extract_detection import MULTI_ENCODER, LogMelReader
from avkeras.features.front_end import FrontEnd
from avkeras.systems import find_system

RANDOM = np.random.default_rng(0)


def sound(rate, seconds=10.0):
    time = np.arange(round(rate * seconds)) / rate
    return (0.02 * RANDOM.normal(size=len(time)) + 0.3 * np.sin(2 * np.pi * (200 + 150 * time) * time)).astype(
        "float32"
    )


def mel_filters(rate, **values):
    return librosa.filters.mel(sr=rate, n_fft=1024, n_mels=64, **values)


def gated_crnn(wave):
    spectrum = scipy.signal.spectrogram(
        wave, fs=16000, window=np.hamming(1024), nperseg=1024, noverlap=360, detrend=False, mode="magnitude"
    )[2]
    return np.log(spectrum.T @ mel_filters(16000, fmin=0, fmax=8000).T + 1e-8)[:240]


def gccaps(wave):
    spectrum = np.abs(librosa.stft(wave, n_fft=1024, hop_length=664, pad_mode="reflect"))
    mel = mel_filters(16000, fmin=0, fmax=8000) @ spectrum
    return np.maximum(librosa.amplitude_to_db(mel, ref=np.max, top_db=None).T, -90)[:240]


def kong(wave):
    power = np.abs(librosa.stft(wave, n_fft=1024, hop_length=320, pad_mode="reflect")) ** 2
    return librosa.power_to_db(mel_filters(32000, fmin=50, fmax=14000) @ power, amin=1e-10, top_db=None).T


@pytest.mark.parametrize(
    ("name", "formula"),
    [("gated_crnn", gated_crnn), ("gccaps", gccaps), ("cnn_transformer", kong), ("cnn_gru", kong)],
)
def test_levels_are_those_of_the_published_code(name, formula):
    front_end = find_system(name).front_end
    wave = sound(front_end.sample_rate)
    levels, wanted = front_end.levels(wave), formula(wave.astype("float64"))
    assert levels.shape == wanted.shape == (front_end.frames, 64)
    np.testing.assert_allclose(levels, wanted, atol=0.02, rtol=1e-4)
    np.testing.assert_allclose(levels, wanted, atol=1e-3 * np.ptp(wanted))


def test_shorter_clips_are_padded_as_published():
    for name in ("gated_crnn", "gccaps"):
        front_end = find_system(name).front_end
        short = front_end.levels(sound(16000, 3.0))
        assert short.shape == (240, 64)
        assert not short[80:].any()
        assert short[:70].any(axis=1).all()
    front_end = find_system("cnn_gru").front_end
    wave = sound(32000, 3.0)
    np.testing.assert_allclose(front_end.levels(wave), kong(np.pad(wave, (0, 224000)).astype("float64")), atol=0.02)
    with pytest.raises(ValueError, match="padding must be 'levels', 'sound' or None, not 'noise'"):
        FrontEnd(padding="noise")


def test_a_range_of_levels_and_a_peak_reach_the_computation():
    wave = 0.1 * sound(16000, 1.0)
    assert np.ptp(FrontEnd(top_db=20.0).levels(wave)) == pytest.approx(20, abs=1e-4)
    quiet = FrontEnd(peak=None).levels(wave)
    louder = FrontEnd(peak=0.5).levels(wave) - quiet
    np.testing.assert_allclose(np.median(louder), 20 * np.log10(0.5 / np.abs(wave).max()), atol=1e-2)


@pytest.mark.parametrize("seconds", [0.01, 4.0, 10.0, 10.05, 10.2, 23.0])
@pytest.mark.parametrize("name", ["gated_crnn", "gccaps", "cnn_gru", None])
def test_a_clip_is_cut_and_a_whole_one_has_windows(name, seconds, tmp_path):
    front_end = find_system(name).front_end if name else MULTI_ENCODER
    soundfile.write(tmp_path / "clip.wav", sound(front_end.sample_rate, seconds), front_end.sample_rate)
    cut = read_clip(LogMelReader({}, front_end=front_end), tmp_path / "clip.wav", None)
    whole = read_clip(LogMelReader({}, front_end=front_end, whole=True), tmp_path / "clip.wav", None)
    parts = {0.01: 1, 4.0: 1, 10.0: 1, 10.05: 1, 10.2: 2, 23.0: 3}[seconds]
    if name:
        assert cut.audio.shape == (front_end.frames, 64)
        assert whole.audio.shape == (parts * front_end.frames, 64)
    else:
        assert len(cut.audio) == min(512, len(whole.audio))
    np.testing.assert_array_equal(cut.audio[: front_end.frames], whole.audio[: len(cut.audio)])
    assert ("cut from" in " ".join(cut.notes)) == (parts > 1)
