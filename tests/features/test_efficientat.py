"""EfficientAT: front end, network, converter and SavedModel against its published network with random weights."""

import dataclasses

import numpy as np
import pytest
from pytorch_files import name_modules, tensors, zipped

from avkeras.errors import AvkerasError
from avkeras.features.embedders import KNOWN, load_embedder
from avkeras.features.networks import efficientat
from avkeras.features.networks.weight_files import checksum


def noise(samples, seed=0):
    rng = np.random.default_rng(seed)
    loudness = np.interp(np.arange(samples), np.linspace(0, samples, 9), rng.uniform(0.001, 0.3, 9))
    return (loudness * rng.normal(size=samples)).astype("float32")


@pytest.fixture(scope="module")
def published():
    pytest.importorskip("torch")
    return __import__("pytorch_efficientat")


@pytest.fixture(scope="module")
def network(published):
    return published.randomised()


@pytest.fixture(scope="module")
def embedder(network, tmp_path_factory):
    """Made of a file that PyTorch wrote."""
    import torch

    folder = tmp_path_factory.mktemp("efficientat")
    torch.save(dict(network.state_dict()), folder / "random.pt")
    wanted = dataclasses.replace(efficientat.WEIGHTS, digest=checksum(folder / "random.pt", "sha256"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficientat, "WEIGHTS", wanted)
        return load_embedder(efficientat.write(folder / "model", weights=folder / "random.pt"), modality="audio")


@pytest.mark.parametrize("samples", [514, 3201, 16_000])
def test_front_end_is_the_published_one(published, samples):
    wave = noise(samples)
    found = efficientat.log_mel(wave[None])
    assert found.shape == (1, 1 + (samples - 1) // 320, 128)
    np.testing.assert_allclose(found[0], published.log_mel(wave).numpy().T, atol=1e-4)


def steps_of(published, network, wave):
    """Scores of the whole and the network's steps, of a wave whose last sample is there twice."""
    import torch

    with torch.no_grad():
        whole, steps = network(published.log_mel(np.append(wave, wave[-1]))[None, None])
    return whole.numpy(), steps[0].T


def test_saved_model_equals_the_published_network(published, network, embedder):
    import torch

    assert embedder.spec == KNOWN["efficientat"]
    wave = noise(20_480 + 5_000)
    whole, steps = steps_of(published, network, wave[:20_480])
    rows = (steps[1:] + steps[:-1]) / 2
    with torch.no_grad():
        row_scores = network.scores(rows).numpy()
    assert rows.std() > 0.1
    assert row_scores.std() > 0.01
    for found, expected in zip(embedder.module(wave), (row_scores, rows.numpy(), whole), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(embedder(wave), rows.numpy(), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(embedder.frame_times(2), [0.16, 0.48])


def test_every_ten_seconds_are_heard_by_themselves(published, network, embedder):
    segment = 327_680
    wave = noise(2 * segment + 10_240 + 100)
    scores, rows, whole = embedder.module(wave)
    assert (scores.shape, rows.shape, whole.shape) == ((65, 527), (65, 384), (3, 527))
    for place, (start, end) in enumerate([(0, segment), (segment, 2 * segment), (2 * segment, len(wave) - 100)]):
        expected, steps = steps_of(published, network, wave[start:end])
        np.testing.assert_allclose(whole[place : place + 1], expected, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(
            rows[32 * place : 32 * (place + 1)], (steps[1:] + steps[:-1]) / 2, rtol=1e-4, atol=1e-3
        )
    pieces = [embedder.embed_piece(piece) for piece in embedder.pieces([wave])]
    assert [len(piece) for piece in pieces] == [64, 1]
    np.testing.assert_allclose(np.concatenate(pieces), rows, rtol=1e-4, atol=1e-3)


def test_little_sound_is_padded_to_one_row_and_what_is_left_over_is_not_embedded(embedder):
    assert [len(part) for part in embedder.module(noise(10_239))] == [0, 0, 0]
    short = embedder(noise(5_000))
    assert short.shape == (1, 384)
    np.testing.assert_allclose(short, embedder(np.pad(noise(5_000), (0, 5_240))), atol=1e-5)
    np.testing.assert_allclose(embedder(noise(15_000)), embedder(noise(15_000)[:10_240]), atol=1e-5)


def test_network_has_the_published_numbers():
    network = efficientat.build_efficientat()
    shapes = [variable.shape for variable in network.trainable_variables]
    assert sum(map(np.prod, shapes)) == 983_599
    assert network.output_shape == [(None, None, 527), (None, None, 384), (None, 527)]
    assert network.get_layer("features.4.block.2.conc_se_layers.0.fc1").kernel.shape == (32, 8)
    assert network.get_layer("features.16.0").kernel.shape == (1, 1, 64, 384)
    wider = efficientat.build_efficientat(width=1.0, classes=10)  # MobileNetV3-Large's own
    assert wider.output_shape == [(None, None, 10), (None, None, 960), (None, 10)]


def test_other_files_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "mn04_as_mAP_432.pt"
    file.write_bytes(b"something else")
    with pytest.raises(AvkerasError, match=r"432\.pt: SHA-256 \w{64}, but mn04_as_mAP_432\.pt has 899a8c6217"):
        efficientat.write(tmp_path / "model", weights=file)
    names = name_modules(monkeypatch)
    arrays = {"features.0.0.weight": np.zeros((8, 1, 5, 5), "float32"), "other.weight": np.zeros(3, "float32")}
    state, storages = tensors(arrays)
    for content, message in ((state, "does not fit EfficientAT"), ([1], "holds no arrays by name")):
        file.write_bytes(zipped(content, storages, names))
        digest = checksum(file, "sha256")
        monkeypatch.setattr(efficientat, "WEIGHTS", dataclasses.replace(efficientat.WEIGHTS, digest=digest))
        with pytest.raises(AvkerasError, match=message) as raised:
            efficientat.write(tmp_path / "model", weights=file)
    assert not (tmp_path / "model").exists()
    network = efficientat.build_efficientat(width=0.1, classes=3)
    with pytest.raises(AvkerasError) as raised:
        efficientat.set_weights_from_pytorch(network, arrays)
    lines = str(raised.value).splitlines()
    assert lines[1] == "features.0.0.weight: shape (5, 5, 1, 8), the network has (3, 3, 1, 8)"
    assert "classifier.5.bias: not in the checkpoint" in lines
    assert lines[-1] == "other.weight: no place for it in the network"


def test_a_file_is_decoded_at_the_embedders_rate(embedder, tmp_path):
    """What is above 8 kHz is heard, and times are those of the file."""
    import soundfile

    from avkeras.features.extract import embed_clip

    wave = 0.5 * noise(64_000) / 0.3
    soundfile.write(tmp_path / "clip.wav", wave, 32_000, subtype="FLOAT")
    found = embed_clip(tmp_path / "clip.wav", None, audio_embedder=embedder, video_embedder=None)
    np.testing.assert_allclose(found.audio, embedder(wave), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.times, 0.16 + 0.32 * np.arange(6))
    soundfile.write(tmp_path / "short.wav", wave[:6_000], 32_000, subtype="FLOAT")
    found = embed_clip(tmp_path / "short.wav", None, audio_embedder=embedder, video_embedder=None)
    assert found.notes == ["audio padded by 4240 samples to one window of efficientat"]


def test_a_rate_that_is_none_is_refused():
    with pytest.raises(AvkerasError, match=r"efficientat: sample_rate 32; a whole number of Hz is wanted"):
        dataclasses.replace(KNOWN["efficientat"], sample_rate=32)
