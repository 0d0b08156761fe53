"""Embeddings of crops by a frozen network, computed once and kept, so that training need not compute them each epoch.

Of every crop and its mirror image. They are a function of the crop, the network and the code, and are kept under a hash
of these (see `keyed_store`), so a retraining computes those of new crops only. Half precision changes them by less than
0.001 of their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.keyed_store import KEY, KeyedStore, digest
from static_gesture_classification.parallel.engine import Engine
from static_gesture_classification.terminal import track
from static_gesture_classification.training.models import hand_network
from static_gesture_classification.training.models.hand_network import EMBEDDING_WIDTH, HandNetwork

VARIANTS = 2  # of each crop: as it is, and its mirror image
_COLUMN = f"embeddings-{VARIANTS}.f16"
_BLOCK = 64  # crops that are computed and kept together
_HALF = np.finfo(np.float16).max


@dataclass(frozen=True)
class CropEmbeddings:
    """Embeddings of crops by table row: float16 (k, VARIANTS, 1152) for k rows, zeros where there is no crop.

    Args:
        stored: all embeddings on disk, float16 (m, VARIANTS, 1152).
        positions: of each table row in `stored`, -1 without: int (n,).
    """

    stored: np.ndarray
    positions: np.ndarray

    @property
    def array(self) -> np.ndarray:
        """What rows are read of."""
        return self.stored

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        at = self.positions[rows]
        found = np.zeros((len(at), VARIANTS, EMBEDDING_WIDTH), np.float16)
        found[at >= 0] = self.stored[at[at >= 0]]
        return found


def embed_crops(
    crops: Any, rows: np.ndarray, network: HandNetwork, folder: Path, device: str, engine: Engine
) -> CropEmbeddings:
    """The embeddings of some crops; those that the folder lacks are computed.

    Args:
        crops: uint8 (n, side, side, 3) by table row; entirely black: there is none.
        rows: table rows whose crops are wanted.
        network: frozen.
        folder: where they are kept.
        device: of torch.
        engine: where they are computed.

    Raises:
        OutputError: the folder cannot be written; what was kept before stays.
    """
    keys, present = _keys_of(crops, rows, _maker(network))
    store = KeyedStore(folder, {_COLUMN: np.dtype(("<f2", (VARIANTS, EMBEDDING_WIDTH)))})
    missing = np.flatnonzero(present & (store.find(keys) < 0))
    blocks = [missing[start : start + _BLOCK] for start in range(0, len(missing), _BLOCK)]
    embed = partial(_embed, network=network.to(device).eval(), device=device)
    images = (np.ascontiguousarray(crops[rows[some]]) for some in blocks)
    made = engine.map(embed, images, threads=True, jobs=1)  # torch uses all processors of a machine itself
    for some, embeddings in zip(blocks, track(made, "crop embeddings", total=len(blocks)), strict=True):
        store.add(keys[some], {_COLUMN: embeddings})
    network.to("cpu").train()  # Lightning warns of parts in evaluation mode; these do not differ
    positions = np.full(len(crops), -1)
    positions[rows] = np.where(present, store.find(keys), -1)
    return CropEmbeddings(store.column(_COLUMN), positions)


def _embed(crops: np.ndarray, network: HandNetwork, device: str) -> np.ndarray:
    """The embeddings of crops uint8 (k, side, side, 3): float32 (k, VARIANTS, EMBEDDING_WIDTH)."""
    images = torch.from_numpy(crops.copy()).permute(0, 3, 1, 2)
    variants = torch.stack([images, images.flip(3)], 1).flatten(0, 1)
    with torch.inference_mode():
        embeddings = network(variants.to(device)).float().cpu().numpy()
    return embeddings.reshape(len(crops), VARIANTS, EMBEDDING_WIDTH).clip(-_HALF, _HALF)


def _keys_of(crops: Any, rows: np.ndarray, maker: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Keys V16 (k,) of the crops in these rows, and whether there is a crop, bool (k,)."""
    keys, present = np.zeros(len(rows), KEY), np.zeros(len(rows), bool)
    for start in range(0, len(rows), _BLOCK):
        for at, crop in enumerate(crops[rows[start : start + _BLOCK]], start):
            keys[at] = np.frombuffer(digest(maker + np.ascontiguousarray(crop).tobytes()), KEY)[0]
            present[at] = crop.any()
    return keys, present


def _maker(network: HandNetwork) -> bytes:
    """What embeddings depend on besides the crop."""
    weights = b"".join(tensor.numpy().tobytes() for tensor in network.state_dict().values())
    return digest(f"{network.size} {code_digest([Path(hand_network.__file__)])}".encode() + weights)
