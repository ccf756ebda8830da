"""The demo soundscapes that an experiment without data of its own is run on."""

from collections.abc import Callable, Sequence
from pathlib import Path

from avkeras.data.manifest import Manifest


def demo_manifest(
    folder: Path,
    *,
    task: str,
    clips: Sequence[int],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Returns the demo soundscapes of a task, made on first use, under a name that says what they are.

    Args:
        folder: in which theirs is.
        task: `dcase2017` or `dcase2020`.
        clips: of train, validation and test.
        seed: of everything random in them.
        progress: called with (clips made, clips in all).
    """
    from avkeras.datasets.demo import make_demo

    name = f"demo-{'' if task == 'dcase2017' else f'{task}-'}{'-'.join(map(str, clips))}-seed{seed}"
    wanted = dict(zip(("train", "validation", "test"), clips, strict=True))
    return make_demo(folder / name, task=task, clips=wanted, seed=seed, progress=progress)
