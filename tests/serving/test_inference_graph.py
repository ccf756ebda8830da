"""A model's graph, with its weights as constants, answers as the model does, in TensorFlow and in its C library."""

import numpy as np
import pytest
import tensorflow as tf

from avkeras.features.extract_detection import MULTI_ENCODER
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.multi_encoder import MultiEncoder
from avkeras.saved_models.frozen_graph import write_graph
from avkeras.saved_models.session import load_session
from avkeras.serving.inference_graph import graph_function, inference_graph, input_specs, named_answers, with_levels
from avkeras.systems.registry import NAMES, find_system

WIDE = {"video": 6, "audio": 5}
FEW = {"blocks": 1, "dim": 8, "key_dim": 8, "hidden_dim": 16}
MODELS = {
    "softmax": lambda: AudiovisualTransformer(classes=3, dims=WIDE, blocks=1, dim=8, key_dim=4, attention="softmax"),
    "mixed": lambda: AudiovisualTransformer(classes=3, dims=WIDE, blocks=1, dim=8, key_dim=4, dtype="mixed_bfloat16"),
    "transformer": lambda: MultiEncoder(classes=3, visual_dims={"video": 6}, filters=[2] * 6 + [8], **FEW),
    "conformer": lambda: MultiEncoder(
        classes=3, visual_dims={"video": 6}, filters=[2] * 6 + [8], block="conformer", gate=True, **FEW
    ),
}
SMALL = {"crnn_2020": {"filters": 2, "units": 4}}
SYSTEMS = [name for names in NAMES.values() for name in names]


def built(name):
    if name in MODELS:
        return MODELS[name]()
    system = find_system(name)
    widths = {"video": 6} if system.task == "detection" else WIDE
    return system.build(classes=3, **system.options | SMALL.get(name, {}) | ({"dims": widths} if system.embeds else {}))


def shaken(model):
    """Moves every weight, statistics of batches too, so that none is at its initial zeros and ones."""
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype.startswith(("float", "bfloat")):
            weight.assign(np.abs(weight) * random.uniform(0.7, 1.3, weight.shape) + random.uniform(0, 0.1))
    return model


def clips(model, frames):
    """Three clips: whole, without video (NaN there), shorter."""
    random, given = np.random.default_rng(1), {}
    for name, tensor in model.input.items():
        if name.endswith("_mask"):
            continue
        count = frames if name == "audio" else max(2, frames // 8 if "clip" in str(model.output) else frames)
        given[name] = random.normal(size=(3, count, tensor.shape[-1])).astype("float32")
        mask = np.ones((3, count), bool)
        mask[2, count // 2 :] = False
        if name == "video":
            mask[1] = False
        given[f"{name}_mask"] = mask
        given[name][~mask] = np.nan
    return given


def agree(found, wanted, tolerance):
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        value = np.asarray(value, "float32")
        assert np.isfinite(value).all()
        np.testing.assert_allclose(found[name], value, atol=tolerance)


def reloaded(model, graph, folder):
    """The function that TensorFlow loads of a SavedModel that holds the graph."""
    module = tf.Module()
    module.answer = graph_function(graph)
    tf.saved_model.save(module, folder, signatures=module.answer.get_concrete_function(**input_specs(model)))
    answer = tf.saved_model.load(folder).signatures["serving_default"]
    return lambda **given: answer(**{name: tf.constant(value) for name, value in given.items()})


QUICK = ("gccaps", "crnn_2020")  # with a loop over capsules, and over frames in time
NAMED = [*MODELS, *QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SYSTEMS if name not in QUICK)]


@pytest.mark.parametrize("name", NAMED)
def test_it_answers_as_the_model(name, tmp_path):
    model = shaken(built(name))
    graph = inference_graph(model)
    write_graph(graph, tmp_path / "graph")
    signatures = load_session(tmp_path / "graph").signatures
    whole = model.with_encoder_weights() if hasattr(model, "with_encoder_weights") else model
    # Sums in another order: of float32, and of eight bits of mantissa.
    tolerance = 3e-2 if name == "mixed" else 1e-4
    front_end = find_system(name).front_end if name in SYSTEMS else MULTI_ENCODER
    frames = 16 if name in ("softmax", "mixed") or front_end is None else front_end.frames
    given = clips(model, frames)
    wanted = named_answers(whole(given, training=False))
    agree(signatures["serving_default"](**given), wanted, tolerance)
    agree(reloaded(model, graph, tmp_path / "saved")(**given), wanted, tolerance)
    given = {
        key: np.ones_like(value) if key.endswith("_mask") else np.nan_to_num(value) for key, value in given.items()
    }
    unmasked = {key: value for key, value in given.items() if not key.endswith("_mask")}
    agree(signatures["embeddings"](**unmasked), named_answers(whole(given, training=False)), tolerance)


def test_a_graph_has_neither_functions_nor_variables_and_other_lengths_fit(tmp_path):
    model = MODELS["softmax"]()
    described = inference_graph(model)
    operations = {node.op for node in described.graph_def.node}
    assert not operations & {"VarHandleOp", "ReadVariableOp", "PartitionedCall", "StatefulPartitionedCall"}
    assert not described.graph_def.library.function
    # What depends on weights alone is worked out: of each product one side comes from a clip.
    nodes = {node.name: node for node in described.graph_def.node}
    for node in nodes.values():
        if node.op in ("MatMul", "BatchMatMulV2"):
            assert not all(nodes[name.split(":")[0]].op == "Const" for name in node.input[:2])
    assert not any(getattr(layer, "in_serving_graph", False) for layer in model._flatten_layers())
    write_graph(described, tmp_path / "graph")
    signature = load_session(tmp_path / "graph").signatures["serving_default"]
    for frames in (1, 7, 30):
        given = clips(model, frames) if frames > 1 else {}
        if given:
            agree(signature(**given), named_answers(model(given, training=False)), 2e-5)


FRONT_ENDS = {name: find_system(name).front_end for name in SYSTEMS if find_system(name).front_end}


@pytest.mark.parametrize("front_end", [MULTI_ENCODER, *dict.fromkeys(FRONT_ENDS.values())])
def test_levels_are_those_of_the_front_end(front_end, tmp_path):
    model = MODELS["softmax"]()
    write_graph(with_levels(inference_graph(model), front_end), tmp_path / "graph")
    signature = load_session(tmp_path / "graph").signatures["levels"]

    def log_mel(waveform):
        return signature(waveform=waveform)["levels"]

    random = np.random.default_rng(2)
    for seconds in (0.5, 3.0, 10.2):
        waveform = random.normal(0, 0.1, round(seconds * front_end.sample_rate)).astype("float32")
        waveform[: len(waveform) // 3] *= 1e-3
        found = front_end.levels(waveform, log_mel=log_mel)
        np.testing.assert_allclose(found, front_end.levels(waveform), atol=1e-3)  # of some 100 dB
    with pytest.raises(ValueError, match="not finite"):
        front_end.levels(np.full(20_000, np.nan, "float32"), log_mel=log_mel)
