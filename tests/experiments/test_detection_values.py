"""The values of the detection experiment, as options of the command line, reach the layers and the data they are of."""

import numpy as np
import pytest

from avkeras.commands.parser import CommandParser
from avkeras.commands.values import add_values, values_of
from avkeras.data import streams
from avkeras.data.manifest import Clip, write_manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import SoundEventDetection
from avkeras.experiments.detection import run_sound_event_detection
from avkeras.experiments.detection_training import build_mean_teacher, train_mean_teacher
from avkeras.training import run

SMALL = ("--blocks=1", "--dim=8", "--num_heads=1", "--key_dim=4", "--hidden_dim=8", "--filters=[4, 8]")
SMALL = (*SMALL, "--pooling=[[2, 8], [2, 8]]")


def values_from(*options):
    parser = CommandParser("train")
    add_values(parser, SoundEventDetection())
    return values_of(SoundEventDetection, parser.parse_args([*SMALL, *options]))


def student(*options):
    return build_mean_teacher(values_from(*options), visual_dims={"openl3": 4}, classes=["Dog", "Cat"]).student


def test_the_choices_reach_their_layers_from_the_command_line():
    options = ("--block=conformer", "--momentum=0.1", "--kernel_size=5", "--frontend_kernel_size=1")
    model = student(*options, "--class_token=last", "--random_low=0.5", "--pooling=[[4, 8], [4, 8]]")
    frontend, block = model.get_layer("frontend"), model.get_layer("audio_encoder_1")
    assert [norm.momentum for norm in (*frontend.norms, block.convolution.batch_norm)] == [0.1] * 3
    assert [convolution.kernel_size for convolution in frontend.convolutions] == [(1, 1)] * 2
    assert block.convolution.depthwise.kernel_size == (5,)
    assert model.get_layer("class_token").place == "last"
    assert model.get_layer("stream_weights").random_low == 0.5
    fused = student("--gate=true", "--modality_dropout=0.25", "--absent_token=true").get_layer("stream_weights")
    assert (fused.gate, fused.modality_dropout, fused.absent_token) == (True, 0.25, True)
    names = [
        {layer.name for layer in student(option).layers} for option in ("--late_fusion=logits", "--tied_encoders=true")
    ]
    assert {"audio_logits", "openl3_logits", "openl3_decoder_1"} <= names[0]
    assert "encoder_1" in names[1]
    outputs = model({"audio": np.zeros((1, 512, 64), "float32"), "openl3": np.zeros((1, 32, 4), "float32")})
    assert outputs["frame"].shape == (1, 32, 2)


def test_the_transformer_can_do_without_the_normalisation_at_the_end():
    names = [{layer.name for layer in student(option).layers} for option in ("--final_norm=true", "--final_norm=false")]
    assert names[0] - names[1] == {"audio_encoder_norm", "openl3_encoder_norm", "decoder_norm"}


@pytest.mark.parametrize(("staircase", "rate"), [("false", 0.001 * 0.1**0.5), ("true", 0.001)])
def test_the_rate_falls_by_steps_or_with_every_step(staircase, rate):
    values = values_from(f"--staircase={staircase}", "--decay_steps=100")
    model = build_mean_teacher(values, visual_dims={}, classes=["Dog"])
    model.optimizer.iterations.assign(50)
    np.testing.assert_allclose(model.optimizer.learning_rate, rate, rtol=1e-5)


def test_mixup_is_done_as_the_options_say(monkeypatch):
    asked = []
    monkeypatch.setattr(streams, "StreamSampler", lambda *arguments, **options: None)
    monkeypatch.setattr(streams, "stream_dataset", lambda *arguments, augment, **options: asked.append(augment))
    monkeypatch.setattr(run, "resumable_fit", lambda model, batches, **options: batches(0))

    class Training:
        supervision = load = None

    for options in ((), ("--mixup_rate=0.5", "--mixup_scope=clip", "--mixup_concentration=0.7"), ("--mixup_rate=0",)):
        train_mean_teacher(None, Training, values_from(*options))
    assert asked[0].keywords == {"rate": 1 / 3, "concentration": 0.2, "per_clip": False}
    assert asked[1].keywords == {"rate": 0.5, "concentration": 0.7, "per_clip": True}
    assert asked[2] is None


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"class_token": "middle"}, "class_token: 'middle' is none of first, last"),
        ({"late_fusion": "early"}, "late_fusion: 'early' is none of none, logits, probabilities"),
        ({"mixup_scope": "kind"}, "mixup_scope: 'kind' is none of batch, clip"),
        ({"pooling": ((8, 64),)}, "pooling: of 1 stacks, filters of 7"),
        ({"pooling": ((4, 2), *[(2, 2)] * 2, *[(1, 2)] * 4)}, "visual_frames 64: pooling leaves 32 vectors"),
        ({"time_shift": 90.0}, r"time_shift 90: .* would leave vgg16 where they are; .* \(visual\)"),
        ({"time_shift": 9.0, "encoders": ("log_mel", "openl3")}, r"time_shift 9: .* leave openl3 .* \(encoders\)"),
    ],
)
def test_values_that_make_no_model_are_refused_before_any_work(values, answer, tmp_path):
    (tmp_path / "a.wav").touch()
    clip = Clip("a", tmp_path / "a.wav", tmp_path / "a.wav", "train")
    path = write_manifest(tmp_path / "manifest.tsv", [clip], classes=["Dog"]).path
    with pytest.raises(AvkerasError, match=answer):
        run_sound_event_detection(SoundEventDetection(data=path, out=tmp_path / "run", **values))
    assert not (tmp_path / "run").exists()
