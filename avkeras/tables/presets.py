"""Values that the papers' tables are reproduced with: the papers' own, and small ones for the demo data."""

from avkeras.experiments.detection_values import SoundEventDetection
from avkeras.experiments.tagging_values import AudioTagging

# By system, then by name. Demo runs are few and short: they show that a table can be made, and no more.
PRESETS = {
    "tagging": {
        "paper": AudioTagging(),
        "demo": AudioTagging(
            embedders=("vggish_stand_in", "efficientnet_lite0"),
            epochs=4,
            steps_per_epoch=30,
            keep=2,
            learning_rate=0.003,
            blocks=1,
            dim=32,
            demo_clips=(320, 80, 120),
        ),
    },
    "detection": {
        "paper": SoundEventDetection(visual=("openl3", "tce", "vgg16")),
        "demo": SoundEventDetection(
            visual=("efficientnet_lite0", "picture_stand_in"),
            visual_frames=8,
            weights=(0.5, 0.875),
            blocks=1,
            dim=32,
            num_heads=2,
            key_dim=16,
            hidden_dim=32,
            filters=(8, 8, 16, 16, 32, 32, 32),
            epochs=4,
            steps_per_epoch=15,
            batch=(4, 4, 4),
            learning_rate=0.003,
            decay_steps=1000,
            decay_rate=0.3,
            teacher_decay=0.9,
            demo_clips=(72, 24, 32),
        ),
    },
}
DEMO_RUNS = 2
