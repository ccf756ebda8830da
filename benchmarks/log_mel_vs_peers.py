"""Log-mel spectrograms of 1000 ten-second wav files: avkeras in tf.data, torch.stft in threads, librosa in a loop.

    python benchmarks/log_mel_vs_peers.py --folder FOLDER      # writes the files there once, 320 MB

All read the same files and give the same levels (checked to 1e-3 dB); in turn, in rounds. The torch code is run with
one thread per core, each of them reading and transforming whole clips, and with torch's own threads in one loop; the
faster of the two counts.
"""

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

RATE, SECONDS, WINDOW, HOP, BANDS = 16000, 10, 1024, 313, 64


def write_clips(folder, count):
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04d}.wav" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            random = np.random.default_rng(number)
            noise = random.normal(size=RATE * SECONDS) * np.linspace(0.01, 0.1, RATE * SECONDS)
            soundfile.write(path, noise, RATE, subtype="PCM_16")
    return [str(path) for path in paths]


def avkeras_runner(paths, cores):
    import tensorflow as tf

    from avkeras.data.dataset_options import as_written
    from avkeras.features.log_mel import log_mel
    from avkeras.media.audio_in_graph import decode_audio

    def spectrogram(path):
        waveform, _ = decode_audio(path)
        return log_mel(waveform)

    clips = tf.data.Dataset.from_tensor_slices(paths).map(spectrogram, num_parallel_calls=cores).prefetch(2)
    clips = as_written(clips)
    return lambda: [levels.numpy() for levels in clips]


def torch_runner(paths, cores, *, pool):
    import librosa
    import soundfile
    import torch

    window = torch.hamming_window(WINDOW, periodic=False)
    filters = torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=WINDOW, n_mels=BANDS, norm=None).T.copy())

    def spectrogram(path):
        with torch.inference_mode():
            wave = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
            wave = wave / wave.abs().max()
            spectrum = torch.stft(wave, WINDOW, HOP, window=window, center=True, return_complex=True)
            magnitude = torch.view_as_real(spectrum).square_().sum(-1).sqrt_()  # faster than abs() of a complex tensor
            level = 20 * torch.log10((magnitude.T @ filters).clamp_(min=1e-5))
            return torch.maximum(level, level.max() - 80).numpy()

    def run():
        torch.set_num_threads(1 if pool else cores)
        if not pool:
            return [spectrogram(path) for path in paths]
        with ThreadPoolExecutor(cores) as threads:
            return list(threads.map(spectrogram, paths))

    return run


def librosa_runner(paths):
    import librosa

    def spectrogram(path):
        wave, _ = librosa.load(path, sr=None)
        wave = wave / np.abs(wave).max()
        spectrum = np.abs(
            librosa.stft(wave, n_fft=WINDOW, hop_length=HOP, window=np.hamming(WINDOW), pad_mode="reflect")
        )
        mel = librosa.feature.melspectrogram(S=spectrum, sr=RATE, n_mels=BANDS, norm=None)
        return librosa.amplitude_to_db(mel).T

    return lambda: [spectrogram(path) for path in paths]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    paths = write_clips(options.folder, options.clips)
    runners = {
        "avkeras": avkeras_runner(paths, options.cores),
        "torch, threads of clips": torch_runner(paths, options.cores, pool=True),
        "torch, its own threads": torch_runner(paths, options.cores, pool=False),
        "librosa": librosa_runner(paths),
    }
    times = {name: [] for name in runners}
    first = {}
    for number in range(options.rounds + 1):  # the first round warms up
        for name, run in runners.items():
            start = time.perf_counter()
            levels = run()
            times[name].append(time.perf_counter() - start)
            if number == 0:
                first[name] = levels[:: options.clips // 10]
    for name, levels in first.items():
        worst = max(np.abs(ours - theirs).max() for ours, theirs in zip(first["avkeras"], levels, strict=True))
        assert worst < 1e-3, f"{name} differs by {worst} dB"
    times = {name: np.array(values[1:]) for name, values in times.items()}
    for name, values in times.items():
        print(
            f"{name:24} {np.median(values):6.2f} s, {options.clips * SECONDS / np.median(values):6.0f} times real time"
        )
    torch = min(times["torch, threads of clips"], times["torch, its own threads"], key=np.median)
    for name, values in (("torch", torch), ("librosa", times["librosa"])):
        ratios = values / times["avkeras"]
        print(f"{np.median(ratios):.2f} times as fast as {name} ({ratios.min():.2f} to {ratios.max():.2f})")


if __name__ == "__main__":
    main()
