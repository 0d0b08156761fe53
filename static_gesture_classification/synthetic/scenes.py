"""One photograph: a subject, a pose, a camera, light, a background, and what the camera does to the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from static_gesture_classification.arrays import Doubles, Singles
from static_gesture_classification.samples import Box
from static_gesture_classification.synthetic.backgrounds import draw_background
from static_gesture_classification.synthetic.flesh import FOREARM, Capsules, Sleeve, clothe
from static_gesture_classification.synthetic.poses import View
from static_gesture_classification.synthetic.renderer import PinholeCamera, render
from static_gesture_classification.synthetic.shading import Light
from static_gesture_classification.synthetic.skeleton import HandPose, Skeleton, pose_skeleton
from static_gesture_classification.synthetic.subjects import Subject

DrawPose = Callable[[np.random.Generator, float], tuple[HandPose, View]]

HAND_SHARE = (0.42, 0.86)  # of the picture's side, taken by the longer side of the box
DISTANCE = (280.0, 950.0)  # millimetres from the lens to the middle of the hand
BOX_PADDING = 0.015  # of the box's longer side; annotators leave a little air
# Poses in which the thumb cannot reach its target are drawn again.
THUMB_TOLERANCE = 5.0  # millimetres
THUMB_TRIES = 12


@dataclass(frozen=True)
class PosedHand:
    """A hand before the camera, for the picture and its annotation.

    Args:
        gesture: what it shows.
        handedness: "left" or "right".
        skeleton: in palm coordinates of a right hand.
        capsules: flesh and sleeve in camera coordinates.
        palm_frame: where the palm is, see `renderer.render`.
        camera: the camera.
        landmarks: float64 (21, 2), normalised to the picture, in MediaPipe's order.
        box: x, y, width, height, normalised: the hand without the forearm.
    """

    gesture: str
    subject: Subject
    handedness: str
    view: View
    skeleton: Skeleton
    capsules: Capsules
    palm_frame: Doubles
    camera: PinholeCamera
    landmarks: Doubles
    box: Box


def draw_hand(
    gesture: str, subject: Subject, draw_pose: DrawPose, size: int, rng: np.random.Generator, variety: float = 1.0
) -> PosedHand:
    """Pose a subject's hand before a camera; see `photograph` for the picture and `variety`.

    `draw_pose` takes `rng` and `variety`, and draws a pose and a view of the gesture.
    """
    for _ in range(THUMB_TRIES):
        pose, view = draw_pose(rng, variety)
        skeleton = pose_skeleton(pose, subject.proportions)
        if skeleton.thumb_gap < THUMB_TOLERANCE:
            break
    handedness = "left" if rng.random() < 0.5 else "right"
    sleeve = None if rng.random() < subject.bare_arms else Sleeve(float(rng.uniform(-4, 110)), float(rng.uniform(1, 9)))
    capsules = clothe(skeleton, subject.proportions, sleeve)
    turn = _make_rotation(view) * np.array([[-1.0 if handedness == "left" else 1.0], [-1.0], [-1.0]])
    centre = skeleton.joints[1:, 0].mean(axis=0) * 0.8
    place = _draw_place(rng)

    def to_camera(points: Doubles) -> Doubles:
        return (points - centre) @ turn.T + place

    photographed = replace(capsules, ends=to_camera(capsules.ends), palmar=capsules.palmar @ turn.T)
    camera = _aim(photographed, size, rng)
    landmarks = camera.project(to_camera(skeleton.landmarks())) / size
    palm_frame = np.stack([to_camera(np.array([-40.0, 8.0, 0.0])), turn @ [1 / 72.0, 0, 0], turn @ [0, 1 / 88.0, 0]])
    box = _pad(_measure_extent(photographed, camera), size)
    return PosedHand(gesture, subject, handedness, view, skeleton, photographed, palm_frame, camera, landmarks, box)


def photograph(hand: PosedHand, rng: np.random.Generator, variety: float = 1.0) -> npt.NDArray[np.uint8]:
    """Take the picture: uint8 (size, size, 3), sRGB.

    Args:
        variety: from 0, a friendly studio, to 1: any room, any light, any camera.
    """
    light, exposure = _draw_light(rng, variety)
    cloth = hand.subject.wardrobe[rng.integers(len(hand.subject.wardrobe))]
    colour, alpha = render(hand.capsules, hand.palm_frame, hand.camera, hand.subject.skin, cloth, light)
    background = draw_background(rng, hand.camera.size, variety)
    background = _cast_shadow(background, alpha, rng)
    picture = _paste_hand(background, colour * exposure, alpha)
    return _develop(picture, rng, variety)


def _make_rotation(view: View) -> Doubles:
    """Turn of a right hand's palm coordinates (x to the thumb, y up, z to the viewer): yaw, then pitch, then roll."""
    yaw, pitch, roll = np.radians([view.yaw, view.pitch, view.roll])
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def _draw_place(rng: np.random.Generator) -> Doubles:
    """The middle of the hand in camera coordinates, off the axis within a webcam's view."""
    distance = np.exp(rng.uniform(*np.log(DISTANCE)))
    angles = np.clip(rng.normal(0, np.radians(9), 2), -np.radians(22), np.radians(22))
    return np.array([distance * np.tan(angles[0]), distance * np.tan(angles[1]), distance])


def _measure_extent(capsules: Capsules, camera: PinholeCamera) -> Doubles:
    """Least x, y and greatest x, y of the hand without the forearm, in pixels."""
    hand = capsules.roles[:, 2] < FOREARM
    ends, radii = capsules.ends[hand].reshape(-1, 3), capsules.radii[hand].reshape(-1, 1)
    points = camera.project(ends)
    reach = camera.focal * radii / ends[:, 2:]
    return np.concatenate([(points - reach).min(axis=0), (points + reach).max(axis=0)])


def _aim(capsules: Capsules, size: int, rng: np.random.Generator) -> PinholeCamera:
    """Choose the picture in the lens's view: the hand takes a drawn share of it and lies inside it."""
    extent = _measure_extent(capsules, PinholeCamera(size, 1.0, (0.0, 0.0)))
    longer = max(extent[2] - extent[0], extent[3] - extent[1])
    focal = float(rng.uniform(*HAND_SHARE)) * size / longer
    free = size - focal * (extent[2:] - extent[:2])
    # A beta distribution: mostly near the middle, sometimes touching an edge.
    corner = free * rng.beta(2.0, 2.0, 2) - focal * extent[:2]
    return PinholeCamera(size, float(focal), (float(corner[0]), float(corner[1])))


def _pad(extent: Doubles, size: int) -> Box:
    padding = BOX_PADDING * max(extent[2] - extent[0], extent[3] - extent[1])
    x1, y1 = np.clip((extent[:2] - padding) / size, 0, 1)
    x2, y2 = np.clip((extent[2:] + padding) / size, 0, 1)
    return float(x1), float(y1), float(x2 - x1), float(y2 - y1)


def _draw_light(rng: np.random.Generator, variety: float) -> tuple[Light, np.float32]:
    """Daylight, lamps, a window behind the hand; and the exposure that the camera chose for the whole scene."""
    shares = [1 - 0.5 * variety, 0.25 * variety, 0.1 * variety, 0.15 * variety]  # soft, hard, from behind, flash
    kind = rng.choice(4, p=shares)
    warmth = rng.normal(0, 0.11)
    white = np.array([1 + warmth, 1 + rng.normal(0, 0.025), 1 - warmth])
    azimuth, height = rng.uniform(-np.pi, np.pi), rng.uniform(-0.2, 1.2)
    direction = np.array(
        [np.cos(height) * np.sin(azimuth), -np.sin(height), -abs(np.cos(height) * np.cos(azimuth)) - 0.15]
    )
    key, ambient, rim = rng.uniform(0.35, 0.75), rng.uniform(0.35, 0.7), 0.0
    if kind == 1:
        key, ambient = rng.uniform(0.75, 1.25), rng.uniform(0.12, 0.35)
    elif kind == 2:
        key, ambient, rim = rng.uniform(0.0, 0.15), rng.uniform(0.08, 0.4), rng.uniform(0.0, 0.2)
    elif kind == 3:
        direction = np.array([rng.normal(0, 0.15), rng.normal(-0.2, 0.2), -1.0])
        key, ambient = rng.uniform(0.6, 1.0), rng.uniform(0.1, 0.3)
    tint = np.exp(rng.normal(0, 0.06, 3))
    light = Light(
        key=key * white,
        direction=direction / np.linalg.norm(direction),
        sky=ambient * tint * rng.uniform(0.9, 1.2),
        ground=ambient * np.exp(rng.normal(0, 0.08, 3)) * rng.uniform(0.4, 0.95),
        rim=rim * np.ones(3),
        softness=float(rng.uniform(1, 9)),
        shadow=float(rng.uniform(0.5, 1.0)),
    )
    return light, np.float32(np.exp(rng.normal(0.15, 0.12 + 0.18 * variety)))


def _cast_shadow(background: Singles, alpha: Singles, rng: np.random.Generator) -> Singles:
    """Sometimes cast the shadow of the hand on the background, as on a near wall."""
    if rng.random() > 0.3:
        return background
    shift = rng.normal(0, 0.04 * len(alpha), 2).astype(int)
    mask = Image.fromarray((alpha * 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(float(rng.uniform(1, 9))))
    shadow = np.roll(np.asarray(mask, np.float32), tuple(shift), (0, 1)) * np.float32(rng.uniform(0.2, 0.7) / 255)
    return background * (1 - shadow[..., None])


def _paste_hand(background: Singles, colour: Singles, alpha: Singles) -> Singles:
    """Paste the hand, in linear light, on the background, in sRGB 0..255."""
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if len(rows):
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        hand = 255 * np.clip(colour[part], 0, 1) ** np.float32(1 / 2.2)
        background[part] += (hand - background[part]) * alpha[part][..., None]
    return background


def _develop(picture: Singles, rng: np.random.Generator, variety: float) -> npt.NDArray[np.uint8]:
    """What lens, sensor and camera software do: blur, lost resolution, contrast, white balance, noise."""
    size = len(picture)
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    kind = rng.random()
    if kind < 0.35 * variety:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 2.2) * size / 256)))
    elif kind < 0.5 * variety:
        image = _blur_motion(image, rng)
    if rng.random() < 0.35 * variety:
        small = int(size * rng.uniform(0.3, 0.8))
        image = image.resize((small, small), Image.Resampling.BILINEAR).resize((size, size), Image.Resampling.BICUBIC)
    if rng.random() < 0.25:
        image = image.filter(ImageFilter.UnsharpMask(float(rng.uniform(1, 4)), int(rng.uniform(40, 180)), 0))
    contrast, brightness = np.exp(rng.normal(0, 0.15)), rng.normal(0, 14)
    balance = np.exp(rng.normal(0, 0.06, 3)) * contrast
    table = np.clip((np.arange(256) - 128)[:, None] * balance + 128 + brightness, 0, 255).astype(np.float32)
    before = np.asarray(image)
    pixels = np.stack([table[:, c][before[..., c]] for c in range(3)], axis=-1)
    sigma = rng.exponential(3.5) * variety
    if sigma > 0.7:
        grain = rng.standard_normal((size, size, 1 if rng.random() < 0.5 else 3), np.float32)
        pixels = pixels + grain * np.float32(min(sigma, 16.0))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _blur_motion(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Average of the picture along a short straight way: a hand that waves, a camera that shakes."""
    reach = rng.uniform(2, 12) * image.size[0] / 256
    angle = rng.uniform(0, np.pi)
    pixels, steps = np.asarray(image, np.float32), 5
    total = np.zeros_like(pixels)
    for k in range(steps):
        way = (k / (steps - 1) - 0.5) * reach
        shift = (round(way * np.sin(angle)), round(way * np.cos(angle)))
        total += np.roll(pixels, shift, (0, 1))
    return Image.fromarray((total / steps).astype(np.uint8))
