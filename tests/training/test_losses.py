import pytest
import torch
from torch.nn.functional import cross_entropy

from static_gesture_classification.errors import UserError
from static_gesture_classification.training.losses import CrossEntropy, Focal, weights_of
from tests.support.patches import VOCABULARY

COUNTS = [60, 20, 10, 10]
LOGITS = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(12) % 4


def test_cross_entropy_is_torchs() -> None:
    loss = CrossEntropy(VOCABULARY, COUNTS, class_weights=None, label_smoothing=0.1)
    assert torch.equal(loss(LOGITS, TARGETS), cross_entropy(LOGITS, TARGETS, label_smoothing=0.1))


def test_focal_loss_without_gamma_is_cross_entropy() -> None:
    for weights in (None, "balanced"):
        focal = Focal(VOCABULARY, COUNTS, class_weights=weights, gamma=0.0)
        plain = CrossEntropy(VOCABULARY, COUNTS, class_weights=weights, label_smoothing=0.0)
        assert torch.allclose(focal(LOGITS, TARGETS), plain(LOGITS, TARGETS))


def test_focal_loss_counts_easy_samples_less() -> None:
    focal = Focal(VOCABULARY, COUNTS, class_weights=None, gamma=2.0)
    target = torch.tensor([0])
    easy, hard = torch.tensor([[4.0, 0, 0, 0]]), torch.tensor([[-1.0, 0, 0, 0]])
    probability = easy.softmax(1)[0, 0]
    assert torch.allclose(focal(easy, target), -((1 - probability) ** 2) * probability.log())
    plain_ratio = cross_entropy(hard, target) / cross_entropy(easy, target)
    assert focal(hard, target) / focal(easy, target) > 10 * plain_ratio


def test_a_perfect_prediction_has_a_finite_gradient_under_focal_loss() -> None:
    logits = torch.tensor([[80.0, 0, 0, 0]], requires_grad=True)
    Focal(VOCABULARY, COUNTS, class_weights=None, gamma=0.5)(logits, torch.tensor([0])).backward()
    assert torch.isfinite(logits.grad).all()


def test_balanced_weights_are_inverse_to_the_number_of_samples() -> None:
    weights = weights_of("balanced", VOCABULARY, COUNTS)
    assert torch.allclose(weights * torch.tensor(COUNTS), torch.full((4,), 25.0))


def test_gestures_without_a_weight_of_their_own_weigh_1() -> None:
    assert weights_of({"TWO": 3}, VOCABULARY, COUNTS).tolist() == [1, 1, 3, 1]


@pytest.mark.parametrize("spec", ["balance", {"SEVEN": 1.0}, {"ONE": 0.0}, {"ONE": float("nan")}])
def test_unusable_class_weights_are_refused(spec: object) -> None:
    with pytest.raises(UserError):
        weights_of(spec, VOCABULARY, COUNTS)  # type: ignore[arg-type]
