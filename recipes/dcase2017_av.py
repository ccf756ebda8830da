"""Audio tagging with the audiovisual transformer (Boes and Van hamme, 2019), DCASE 2017 task 4.

    python recipes/dcase2017_av.py
        makes demo soundscapes, embeds them, trains audio only, video only and both, and compares them:
        about 4 minutes on 2 cores. The audio embedder is a stand-in, so nothing needs a network.
    python recipes/dcase2017_av.py --data my.tsv --embedders vggish vgg16
        the paper's values on your own manifest. In the paper, with DCASE 2017's clips: micro-F1 70.1 % for
        audio and video (mean of 25 runs).
    python recipes/dcase2017_av.py --data my.tsv --precision mixed_float16 --attention softmax --out runs/softmax

A run that was interrupted goes on when the same command is given again.
"""

from pathlib import Path

from avkeras.commands.terminal import run_recipe
from avkeras.experiments.tagging import AudioTagging

PRESETS = {
    "demo": AudioTagging(
        out=Path("runs/demo"),
        embedders=("vggish_stand_in", "efficientnet_lite0"),
        epochs=8,
        steps_per_epoch=30,
        keep=3,
        blocks=2,
        complete_only=False,
        demo_clips=(320, 80, 120),
    ),
    "small": AudioTagging(
        out=Path("runs/small"),
        embedders=("vggish_stand_in", "efficientnet_lite0"),
        epochs=3,
        steps_per_epoch=4,
        keep=2,
        blocks=1,
        dim=32,
        complete_only=False,
        demo_clips=(40, 20, 20),
    ),
    "paper": AudioTagging(),
}

if __name__ == "__main__":
    run_recipe(PRESETS, description=__doc__)
