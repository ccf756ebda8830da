import numpy as np
import pytest
from layer_harness import check_layer

from avkeras.layers.capsules import CapsuleLength, CapsuleRouting, PrimaryCapsules, squash

RANDOM = np.random.default_rng(0)
CAPSULES = RANDOM.normal(size=(2, 3, 6, 4)).astype("float32")


def test_harnesses():
    maps = RANDOM.normal(size=(2, 3, 2, 8)).astype("float32")
    check_layer(PrimaryCapsules, {"dim": 4}, maps, alternatives={"dim": 2, "epsilon": 0.5})
    alternatives = {"capsules": 4, "dim": 3, "rounds": 1, "epsilon": 0.5, "initializer": "he_normal"}
    config = {"capsules": 5, "dim": 2}
    check_layer(CapsuleRouting, config, CAPSULES, alternatives=alternatives)
    check_layer(CapsuleLength, {}, CAPSULES, alternatives={"epsilon": 0.5})


def test_a_squashed_vector_keeps_its_direction_and_is_shorter_than_1():
    vectors = RANDOM.normal(0, 3, (50, 4))
    short = np.asarray(squash(vectors))
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), lengths**2 / (1 + lengths**2), rtol=1e-6)
    np.testing.assert_allclose(short / np.linalg.norm(short, axis=1)[:, None], vectors / lengths[:, None], atol=1e-6)
    assert np.all(np.asarray(squash(np.zeros((1, 4)))) == 0)


def test_routing_sends_capsules_to_the_class_that_agrees():
    layer = CapsuleRouting(capsules=2, dim=2, rounds=3)
    layer.build((None, 1, 3, 2))
    # Class 0 gets the same vote from all three, class 1 votes that cancel.
    same, turned = np.eye(2), [np.eye(2), -np.eye(2), np.eye(2) * 0.1]
    layer.kernel.assign(np.stack([np.stack([same] * 3), np.stack(turned)]))
    lengths = {}
    for rounds in (1, 3):
        layer.rounds = rounds
        lengths[rounds] = np.linalg.norm(layer(np.full((1, 1, 3, 2), 0.8, "float32"))[0, 0], axis=-1)
    assert lengths[3][0] > lengths[1][0] > lengths[1][1]


def test_steps_are_routed_apart():
    layer = CapsuleRouting(capsules=3, dim=2)
    whole = layer(CAPSULES).numpy()
    np.testing.assert_allclose(layer(CAPSULES[:, 1:2]).numpy(), whole[:, 1:2], atol=1e-6)


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="rounds must be at least 1, not 0"):
        CapsuleRouting(rounds=0)
