"""Reading 64 still images of a ten-second clip at 224 x 224: avkeras, decord, and ffmpeg as a process.

    python benchmarks/frames_vs_peers.py                     # a 640 x 360 H.264 clip of its own making
    python benchmarks/frames_vs_peers.py --clip clip.mp4     # yours

All take the same times, so that the pictures can be compared (mean difference in grey levels: scalers differ); in turn,
in rounds, on all cores.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

FRAMES, SIZE = 64, 224


def write_clip(path, *, seconds=10, rate=30, width=640, height=360):
    """Writes waves that move over a still ground, with a little noise: about as hard to decode as web video."""
    import av

    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    ground = random.integers(0, 90, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * rate):
            wave = 60 * np.sin(x / 17 + number / 9) * np.cos(y / 23 - number / 13) + random.normal(
                0, 3, (height, width)
            )
            picture = np.clip(ground + 80 + wave[..., None], 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def avkeras_frames(path, times):
    from avkeras.media.video import load_frames

    return load_frames(path, times, size=(SIZE, SIZE))[0]


def decord_frames(path, times):
    from decord import VideoReader

    reader = VideoReader(str(path), width=SIZE, height=SIZE)
    nearest = np.abs(reader.get_frame_timestamp(range(len(reader))).mean(1)[:, None] - times).argmin(0)
    return reader.get_batch(nearest).asnumpy()


def ffmpeg_frames(path, times):
    """Decodes and scales every frame, as one has to in one process, and keeps the nearest ones."""
    from imageio_ffmpeg import get_ffmpeg_exe

    command = [get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-an", "-vf", f"scale={SIZE}:{SIZE}"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    frames = np.frombuffer(data, np.uint8).reshape(-1, SIZE, SIZE, 3)
    return frames[np.minimum((times * len(frames) / (times[-1] + times[0])).astype(int), len(frames) - 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="of at least ten seconds")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.clip or Path(folder) / "clip.mp4"
        if not options.clip:
            write_clip(path)
        times = (np.arange(FRAMES) + 0.5) * 10 / FRAMES
        readers = {"avkeras": avkeras_frames, "decord": decord_frames, "ffmpeg": ffmpeg_frames}
        if options.clip:
            del readers["ffmpeg"]  # it would decode what follows the ten seconds too
        pictures = {name: read(path, times) for name, read in readers.items()}
        seconds = {name: [] for name in readers}
        for _ in range(options.rounds):
            for name, read in readers.items():
                start = time.perf_counter()
                read(path, times)
                seconds[name].append(time.perf_counter() - start)
    ours = np.array(seconds["avkeras"])
    for name, values in seconds.items():
        ratios = np.array(values) / ours
        away = np.abs(pictures[name].astype(float) - pictures["avkeras"]).mean()
        print(
            f"{name:8} {1e3 * np.median(values):5.0f} ms; avkeras is {np.median(ratios):.2f} times as fast "
            f"({ratios.min():.2f} to {ratios.max():.2f}); mean difference {away:.1f} grey levels"
        )


if __name__ == "__main__":
    main()
