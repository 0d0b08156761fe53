import torch
from torch.optim import SGD, AdamW

from static_gesture_classification.training.schedules import cosine, one_cycle, plateau


def optimizer(lr: float = 0.1) -> SGD:
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def rates(schedule, optimizer, steps: int) -> list[float]:
    seen = []
    for _ in range(steps):
        optimizer.step()
        seen.append(optimizer.param_groups[0]["lr"])
        schedule.scheduler.step()
    return seen


def test_plateau_lowers_the_rate_after_patience_epochs_without_a_lower_loss() -> None:
    sgd = optimizer()
    schedule = plateau(sgd, steps=100, factor=0.1, patience=2)
    assert not schedule.every_step
    for loss in (1.0, 0.9, 0.95, 0.95, 0.95):
        schedule.scheduler.step(loss)
    assert sgd.param_groups[0]["lr"] == 0.1 * 0.1


def test_cosine_falls_from_the_rate_to_its_final_share() -> None:
    sgd = optimizer()
    seen = rates(cosine(sgd, steps=20, final=0.01), sgd, 21)
    assert seen[0] == 0.1
    assert seen == sorted(seen, reverse=True)
    assert abs(seen[-1] - 0.001) < 1e-9


def test_one_cycle_rises_to_the_rate_and_falls_to_almost_nothing() -> None:
    for make in (optimizer, lambda: AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.1)):
        used = make()
        seen = rates(one_cycle(used, steps=40, warmup=0.25), used, 40)
        assert abs(max(seen) - 0.1) < 1e-9
        assert seen.index(max(seen)) == 9
        assert seen[-1] < 1e-4


def test_one_cycle_of_few_steps_is_one_too() -> None:
    for steps in range(1, 9):
        used = optimizer()
        seen = rates(one_cycle(used, steps=steps, warmup=0.25), used, steps)
        assert max(seen) <= 0.1 + 1e-9
