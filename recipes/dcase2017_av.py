"""Audio tagging with the audiovisual transformer (Boes and Van hamme, 2019), DCASE 2017 task 4.

    python recipes/dcase2017_av.py
        makes demo soundscapes, embeds them, trains audio only, video only and both, and compares them:
        about 4 minutes on 2 cores. The audio embedder is a stand-in, so nothing needs a network.
    python recipes/dcase2017_av.py --data my.tsv --embedders vggish vgg16
        the paper's values on your own manifest. In the paper, with DCASE 2017's clips: micro-F1 70.1 % for
        audio and video (mean of 25 runs).
    python recipes/dcase2017_av.py --data my.tsv --precision mixed_float16 --attention softmax --out runs/softmax
    python recipes/dcase2017_av.py --data my.tsv --first audio --second video --positions video --out runs/figure7
        any other row of table 1: here the model of figure 7.

Every value can be given as an option, or in a YAML file by --config. A run that was interrupted goes on when the same
command is given again.
"""

from pathlib import Path

from avkeras.commands.recipe import run_recipe
from avkeras.experiments.configs import AudioTagging

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
    # The numbers are sections of the 2019 paper.
    "paper": AudioTagging(
        out=Path("runs/dcase2017_av"),
        # 3.1 Data: clips whose video can be had
        complete_only=True,
        # 3.2.1 Data preprocessing: VGGish, 128 values for each 0.96 s; VGG16, 4096 values of a still image for the same
        embedders=("vggish", "vgg16"),
        # 3.2.2 Data sampling: most common class to rarest in a batch; 30 epochs of 300 batches of 40 clips
        max_ratio=5.0,
        balance="heard",
        epochs=30,
        steps_per_epoch=300,
        batch_size=40,
        # 3.2.3 Encoder blocks, and as many decoder blocks
        blocks=3,
        # 3.2.4 Attention heads
        num_heads=3,
        # 3.2.6 Neurons of all linear maps
        dim=128,
        # 3.2.7 Regularization: dropout
        dropout=0.1,
        # 3.2.8 Adam with its standard settings, binary cross-entropy; stop when the loss on validation is higher than
        # after each of the last 7 epochs
        learning_rate=0.001,
        patience=7,
        # 3.2.9 Ensemble of the models after the last 7 epochs
        keep=7,
        ensemble="last",
        # 3.2.10 One threshold for all classes
        decision="global",
        # Table 1, best row and column: video first, audio second (`audio+video`), positions on video, sigmoid
        # attention, mean aggregation; beside it the best rows of one modality
        systems=("audio", "video", "audio+video"),
        first=None,
        second=None,
        positions=("video",),
        attention="sigmoid",
        aggregation="mean",
        # Not the paper's: systems that it compares with (`avkeras systems`)
        system=None,
        options=(),
        # Not the paper's: computation, and which of its 25 runs
        precision="float32",
        seed=0,
    ),
}

if __name__ == "__main__":
    run_recipe(PRESETS, description=__doc__)
