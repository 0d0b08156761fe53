import numpy as np
import pytest

from static_gesture_classification.synthetic.flesh import FINGER_ROOT, OUTER, PALM
from static_gesture_classification.synthetic.renderer import PinholeCamera, pack
from static_gesture_classification.synthetic.tracing import (
    FAR,
    FINGER_BLEND,
    NEAR_PLANE,
    PALM_BLEND,
    ROOT_BLEND,
    SHADOW_SIZE,
    Tiles,
    draw_shadow_map,
    make_tiles,
    measure_lamp_share,
    sdf,
    trace,
)
from tests.synthetic.capsules import CAMERA, ball, capsule, join, see

MIDDLE = CAMERA.size // 2
PLACES = np.arange(CAMERA.size) + 0.5 - CAMERA.centre[0]


def distance_to(capsules, point) -> float:
    """The signed distance that the renderer works with."""
    packed, roles = pack(capsules)
    columns, room = np.zeros((9, 8), np.float32), np.zeros((2, 8), np.int32)
    columns[:, : len(packed)], room[:, : len(packed)] = packed[:, :9].T, roles[:, :2].T
    return sdf(*np.array(point, np.float32), columns, room, len(packed), np.zeros(8, np.float32))


def test_silhouette_of_a_ball_is_the_analytic_circle():
    surface = see(ball((0, 0, 400), 15))
    radius = CAMERA.focal * 15 / np.sqrt(400**2 - 15**2)
    away = np.hypot(*np.meshgrid(PLACES, PLACES))
    assert (surface.alpha[away < radius - 1] > 0.94).all()
    assert (surface.alpha[away > radius + 1.2] == 0).all()
    np.testing.assert_allclose(surface.alpha.sum(), np.pi * (radius + 0.575) ** 2, rtol=0.03)


def test_depth_and_normals_of_a_ball_are_the_analytic_ones():
    surface = see(ball((0, 0, 400), 15))
    seen = surface.alpha == 1
    z = surface.depth[seen]
    x, y = (np.meshgrid(PLACES, PLACES)[k][seen] * z / CAMERA.focal for k in (0, 1))
    np.testing.assert_allclose(np.sqrt(x**2 + y**2 + (z - 400) ** 2), 15, atol=0.7)
    assert surface.depth[MIDDLE, MIDDLE] == pytest.approx(385, abs=0.4)
    outward = np.stack([x, y, z - 400], axis=1) / 15
    np.testing.assert_allclose(surface.normal[seen], outward, atol=0.08)
    assert (surface.depth[surface.alpha == 0] == np.float32(FAR)).all()
    assert (surface.owner[surface.alpha == 0] == -1).all()


def test_silhouette_of_a_tapered_capsule_has_both_radii():
    surface = see(capsule((-12, 0, 400), (10, 0, 400), 5, 10))
    heights = surface.alpha.sum(axis=0)
    soft = 1.15  # pixels; coverage falls from 1 to 0 outside the edge
    np.testing.assert_allclose(heights[MIDDLE - 12], 10 + soft, atol=0.5)
    np.testing.assert_allclose(heights[MIDDLE + 9], 20 + soft, atol=0.5)
    assert surface.alpha.sum(axis=1).max() == pytest.approx(12 + 10 + 5 + 10 + soft, abs=0.7)


@pytest.mark.parametrize("place", [(11.0, -7.0, 400.0), (-30.0, 28.0, 900.0)])
def test_a_marker_is_rendered_where_its_point_projects_to(place: tuple[float, float, float]):
    alpha = see(ball(place, 4 * place[2] / 400)).alpha
    rows, columns = np.indices(alpha.shape) + 0.5
    centroid = np.array([(columns * alpha).sum(), (rows * alpha).sum()]) / alpha.sum()
    np.testing.assert_allclose(centroid, CAMERA.project(np.array(place)), atol=0.15)


def test_what_is_nearer_hides_what_is_behind():
    for near, far in ((350, 450), (450, 350)):
        surface = see(join(ball((-4, 0, near), 8), ball((4, 0, far), 8)))
        assert surface.owner[MIDDLE, MIDDLE] == (0 if near < far else 1)
        assert surface.depth[MIDDLE, MIDDLE] < min(near, far)
    assert set(np.unique(surface.owner)) == {-1, 0, 1}


@pytest.mark.parametrize(
    ("first", "second", "blend"),
    [
        ((PALM, 0), (PALM, 0), PALM_BLEND),
        ((PALM, 0), (FINGER_ROOT, 2), ROOT_BLEND),
        ((OUTER, 2), (OUTER, 2), FINGER_BLEND),
        ((FINGER_ROOT, 2), (OUTER, 2), FINGER_BLEND),
        ((PALM, 0), (OUTER, 2), FINGER_BLEND),
        ((OUTER, 2), (OUTER, 3), None),
        ((FINGER_ROOT, 2), (FINGER_ROOT, 3), None),
    ],
)
def test_capsules_of_a_chain_melt_and_chains_only_touch(first, second, blend):
    """Between two equal surfaces, at a distance of 1, a smooth minimum takes away a quarter of its width."""
    hand = join(
        ball((-6, 0, 400), 5, role=first[0], chain=first[1]), ball((6, 0, 400), 5, role=second[0], chain=second[1])
    )
    expected = 1 - (blend / 4 if blend else 0)
    assert distance_to(hand, (0, 0, 400)) == pytest.approx(expected, abs=1e-3)


def test_distance_is_the_exact_one_of_a_single_capsule():
    one = capsule((0, 0, 400), (20, 0, 400), 4, 8)
    assert distance_to(one, (-3, 4, 400)) == pytest.approx(1, abs=1e-4)
    assert distance_to(one, (10, 0, 410)) == pytest.approx(4, abs=1e-4)
    assert distance_to(one, (26, 8, 400)) == pytest.approx(2, abs=1e-4)
    assert distance_to(one, (0, 0, 400)) == pytest.approx(-4, abs=1e-4)


def test_tiles_leave_out_no_capsule_that_shows():
    rng = np.random.default_rng(4)
    several = join(
        *(capsule((*rng.uniform(-18, 18, 2), 400), (*rng.uniform(-18, 18, 2), 420), 5, 3, chain=k) for k in range(7))
    )
    packed, roles = pack(several)
    tiles = make_tiles(packed, CAMERA.size, CAMERA.focal, CAMERA.centre)
    number = len(tiles.nearest)
    everything = Tiles(
        np.arange(number + 1, dtype=np.int32) * 7, np.tile(np.arange(7, dtype=np.int32), number), tiles.nearest * 0
    )
    few, all_of_them = (trace(packed, roles, t, CAMERA.size, CAMERA.focal, CAMERA.centre) for t in (tiles, everything))
    np.testing.assert_allclose(few.alpha, all_of_them.alpha, atol=0.15)
    both = (few.alpha == 1) & (all_of_them.alpha == 1)
    np.testing.assert_allclose(few.depth[both], all_of_them.depth[both], atol=0.3)
    assert len(tiles.capsules) < 0.8 * len(everything.capsules)


def test_a_crevice_is_less_open_than_the_outside():
    surface = see(join(ball((-7, 0, 400), 8, chain=2, role=OUTER), ball((7, 0, 400), 8, chain=3, role=OUTER)))
    assert surface.openness[MIDDLE, MIDDLE - 7] == pytest.approx(1, abs=0.06)
    assert surface.openness[MIDDLE, MIDDLE - 2] < 0.75


def test_capsules_before_the_lens_are_cut_at_the_nearest_depth():
    packed, roles = pack(
        join(
            ball((0, 0, 10), 5, chain=3),
            capsule((0, 0, NEAR_PLANE - 20), (30, 0, NEAR_PLANE + 20), 4, 8, chain=2),
            capsule((30, 0, NEAR_PLANE + 20), (0, 0, NEAR_PLANE - 20), 8, 4, chain=1),
        )
    )
    assert roles[:, 1].tolist() == [1, 2]  # by chain
    np.testing.assert_allclose(packed[1, :6], [15, 0, NEAR_PLANE, 15, 0, 20], atol=1e-4)
    np.testing.assert_allclose(packed[1, 7:9], [6, 2], atol=1e-4)
    np.testing.assert_allclose(packed[0, :6], [30, 0, NEAR_PLANE + 20, -15, 0, -20], atol=1e-4)
    np.testing.assert_allclose(packed[:, 12], 25, atol=1e-4)
    np.testing.assert_allclose(packed[:, 6], 1 / 625, rtol=1e-5)


@pytest.mark.parametrize("direction", [(-0.6, 0.0, -0.8), (0.0, -1.0, 0.0), (0.0, 0.6, -0.8)])
def test_a_point_behind_the_hand_lies_in_its_shadow(direction: tuple[float, float, float]):
    lamp = np.array(direction, np.float32)
    packed, roles = pack(ball((5, 3, 400), 20))
    shadow_map = draw_shadow_map(packed, roles, lamp)
    assert shadow_map.depths.shape == (SHADOW_SIZE, SHADOW_SIZE)
    centre = np.array([5, 3, 400], np.float32)
    across = np.cross(lamp, np.array([0.3, 0.5, 0.7], np.float32))
    across /= np.linalg.norm(across)

    def share(point: np.ndarray, softness: float = 0.1) -> float:
        return measure_lamp_share(shadow_map, *point.astype(np.float32), softness)

    assert share(centre - 40 * lamp) == 0
    assert share(centre + 40 * lamp) == 1
    assert share(centre - 40 * lamp + 30 * across) == 1
    assert share(centre + 20 * lamp) > 0.9  # the lit side does not shade itself
    assert 0 < share(centre - 40 * lamp + 17 * across, softness=8.0) < 1


def test_the_camera_measures_pixels_from_its_centre():
    camera = PinholeCamera(64, 100.0, (30.0, 20.0))
    np.testing.assert_allclose(camera.project(np.array([[0, 0, 9.0], [2, -1, 10]])), [[30, 20], [50, 10]])
