"""The last layer fitted anew: to its data, and held to the layer it starts from."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from static_gesture_classification.training.last_layer import LastLayer, deviation, fit_last_layer

CLASSES, WIDTH = 4, 6


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def start(random):
    return LastLayer(
        random.normal(size=(CLASSES, WIDTH)).astype(np.float32), random.normal(size=CLASSES).astype(np.float32)
    )


def embeddings_of(random, count=200):
    """Embeddings whose entries have units of their own."""
    return (random.normal(size=(count, WIDTH)) * np.geomspace(0.01, 100, WIDTH)).astype(np.float32)


def test_a_layer_that_is_to_say_what_it_says_stays_as_it_is(random, start):
    embeddings = embeddings_of(random)
    layer = fit_last_layer(start, embeddings, start.probabilities(embeddings), 0.1, deviation(embeddings))
    np.testing.assert_allclose(layer.weights, start.weights, atol=1e-3 * np.abs(start.weights).max())


def test_from_a_layer_of_zeros_it_is_ridge_logistic_regression(random):
    zeros = LastLayer(np.zeros((CLASSES, WIDTH), np.float32), np.zeros(CLASSES, np.float32))
    embeddings, labels = random.normal(size=(300, WIDTH)).astype(np.float32), random.integers(CLASSES, size=300)
    embeddings[np.arange(300), labels] += 1
    ours = fit_last_layer(zeros, embeddings, np.eye(CLASSES, dtype=np.float32)[labels], 0.5, np.ones(WIDTH, np.float32))
    with_ones = np.column_stack([embeddings, np.ones(300)])  # so that the bias is held too
    theirs = LogisticRegression(C=1 / (2 * 0.5), fit_intercept=False, tol=1e-8, max_iter=1000).fit(with_ones, labels)
    np.testing.assert_allclose(np.column_stack([ours.weights, ours.bias]), theirs.coef_, atol=2e-3)


def test_the_stronger_the_hold_the_less_it_moves_and_where_the_search_begins_does_not_matter(random, start):
    embeddings, labels = embeddings_of(random), random.integers(CLASSES, size=200)
    scale, targets = deviation(embeddings), np.eye(CLASSES, dtype=np.float32)[labels]
    free, held = (fit_last_layer(start, embeddings, targets, strength, scale) for strength in (0.01, 1000))
    moved = [np.abs((layer.weights - start.weights) * scale).max() for layer in (free, held)]
    assert moved[1] < 0.1 < moved[0]
    again = fit_last_layer(start, embeddings, targets, 1000, scale, begin=free)
    np.testing.assert_allclose(again.weights * scale, held.weights * scale, atol=2e-3)
