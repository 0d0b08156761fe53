from __future__ import annotations

import numpy as np
import pytest

from benchmarks import policies


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_doubt_grows_from_a_sure_row_to_an_even_one() -> None:
    rows = np.array([[0.98, 0.01, 0.01], [0.6, 0.3, 0.1], [0.45, 0.45, 0.1], [1 / 3, 1 / 3, 1 / 3]])
    assert np.all(np.diff(policies.margin(rows)[:3]) < 0)
    assert policies.margin(rows)[2:] == pytest.approx([0, 0])
    assert np.all(np.diff(policies.entropy(rows)) > 0)
    assert policies.entropy(np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx([0, 1])


def test_the_highest_come_first_and_ties_in_the_order_given() -> None:
    assert policies.highest(np.array([0.1, 0.9, 0.5, 0.9]), 3).tolist() == [1, 3, 2]


@pytest.mark.parametrize("count", [0, 1, 7, 20, 333])
def test_quotas_sum_to_the_count_and_follow_the_shares(count: int, random: np.random.Generator) -> None:
    shares = random.random(10)
    dealt = policies.quotas(shares, count)
    assert dealt.sum() == count
    assert np.all(np.abs(dealt - shares / shares.sum() * count) < 1)


def test_without_any_reason_each_gesture_gets_the_same() -> None:
    assert policies.quotas(np.zeros(4), 8).tolist() == [2, 2, 2, 2]
    assert policies.gesture_shares(np.diag([5, 5, 5, 5])) == pytest.approx(0.25)


def test_both_sides_of_a_confusion_get_more_samples_and_no_gesture_none() -> None:
    confusion = np.diag([10, 10, 10, 10])
    confusion[1, 2] = 6
    shares = policies.gesture_shares(confusion, smoothing=0.5)
    assert shares.sum() == pytest.approx(1)
    assert shares[1] == pytest.approx(shares[2])
    assert shares[1] > 2 * shares[0] > 0


def test_k_centre_takes_one_of_each_cluster_before_a_second_of_any(random: np.random.Generator) -> None:
    centres = random.normal(size=(6, 8)) * 20
    cluster = np.arange(120) % 6
    features = centres[cluster] + random.normal(size=(120, 8))
    assert sorted(cluster[policies.k_centre(features, 6)]) == list(range(6))
    known = features[cluster < 3]
    assert sorted(cluster[policies.k_centre(features, 3, known)]) == [3, 4, 5]


def test_k_centre_never_takes_a_row_twice_even_of_identical_ones() -> None:
    assert sorted(policies.k_centre(np.zeros((5, 2)), 9)) == list(range(5))


def test_badge_prefers_unsure_rows_that_are_unlike_one_another(random: np.random.Generator) -> None:
    place = np.repeat(np.eye(8) * 10, 50, axis=0)
    embeddings = place + random.normal(scale=0.1, size=place.shape)
    unsure = np.arange(400) % 50 < 5
    probabilities = softmax(np.where(unsure[:, None], [0.1, 0.0, 0.0], [9.0, 0.0, 0.0]))
    chosen = policies.badge(probabilities, embeddings, 8, random)
    assert unsure[chosen].sum() >= 7  # one sure row may stand for all the gradients near 0
    assert len(set((chosen[unsure[chosen]] // 50).tolist())) >= 7


def test_badge_measures_distances_between_whole_gradients(random: np.random.Generator) -> None:
    probabilities, embeddings = random.dirichlet(np.ones(3), 40), random.normal(size=(40, 5))
    errors = probabilities - np.eye(3)[probabilities.argmax(axis=1)]
    gradients = np.einsum("nc,nd->ncd", errors, np.column_stack([embeddings, np.ones(40)])).reshape(40, -1)
    first = int(policies.badge(probabilities, embeddings, 1, random)[0])
    assert first == np.linalg.norm(gradients, axis=1).argmax()
    squared = ((gradients - gradients[first]) ** 2).sum(axis=1)
    seconds = [policies.badge(probabilities, embeddings, 2, np.random.default_rng(n))[1] for n in range(2000)]
    drawn = np.bincount(seconds, minlength=40) / 2000
    assert drawn == pytest.approx(squared / squared.sum(), abs=0.03)


def test_equal_input_gives_equal_choices(random: np.random.Generator) -> None:
    probabilities, embeddings = random.dirichlet(np.ones(4), 60), random.normal(size=(60, 5))
    for choose in (
        lambda draws: policies.random_rows(60, 10, draws),
        lambda draws: policies.badge(probabilities, embeddings, 10, draws),
        lambda draws: policies.hard_rows(probabilities, 2, embeddings, 10, draws),
    ):
        first, again = choose(np.random.default_rng(5)), choose(np.random.default_rng(5))
        assert np.array_equal(first, again)
        assert len(set(first.tolist())) == 10


def test_hard_mode_keeps_errors_before_doubt_and_doubt_before_what_is_known(random: np.random.Generator) -> None:
    probabilities = np.repeat([[0.9, 0.1], [0.55, 0.45], [0.1, 0.9]], 10, axis=0)
    embeddings = random.normal(size=(30, 6))
    mode = policies.HardMode(novelty=0, easy=0)
    chosen = policies.hard_rows(probabilities, 0, embeddings, 20, random, mode)
    assert sorted(chosen[:10]) == list(range(20, 30))
    assert sorted(chosen[10:]) == list(range(10, 20))


def test_hard_mode_keeps_one_of_near_identical_errors_before_repeating_any(random: np.random.Generator) -> None:
    frames = np.repeat(random.normal(size=(8, 16)), 30, axis=0)  # eight moments of thirty frames each
    embeddings = frames + random.normal(scale=1e-3, size=frames.shape)
    wrong = np.repeat([True, False], 120)  # half of the moments are errors
    probabilities = np.where(wrong[:, None], [0.2, 0.8], [0.9, 0.1])
    chosen = policies.hard_rows(probabilities, 0, embeddings, 4, random, policies.HardMode(easy=0))
    assert sorted(chosen // 30) == [0, 1, 2, 3]
    again = policies.hard_rows(probabilities, 0, embeddings, 2, random, policies.HardMode(easy=0), embeddings[[0, 70]])
    assert sorted(again // 30) == [1, 3]
    alike = policies.hard_rows(probabilities, 0, embeddings, 4, random, policies.HardMode(novelty=0, easy=0))
    assert set((alike // 30).tolist()) == {0}


def test_hard_mode_keeps_a_share_of_easy_frames(random: np.random.Generator) -> None:
    hard = np.arange(400) < 40
    probabilities = np.where(hard[:, None], [0.1, 0.9], [0.99, 0.01])
    embeddings = random.normal(size=(400, 4))
    chosen = policies.hard_rows(probabilities, 0, embeddings, 40, random, policies.HardMode(novelty=0, easy=0.25))
    assert hard[chosen].sum() == pytest.approx(30, abs=3)
    assert hard[chosen[:30]].all()


def test_hard_mode_gives_what_there_is_when_asked_for_more(random: np.random.Generator) -> None:
    assert sorted(policies.hard_rows(np.full((3, 2), 0.5), 0, np.zeros((3, 2)), 9, random)) == [0, 1, 2]
    assert len(policies.hard_rows(np.empty((0, 2)), 0, np.empty((0, 2)), 9, random)) == 0
