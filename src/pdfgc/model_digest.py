"""A name for all that a model renders with."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pdfgc.model import Model
    from pdfgc.paper_model import PaperModel


def weights_digest(model: Model | PaperModel) -> str:
    """Differs for any two models that render anything differently.

    `Model.fingerprint` names the meaning of the codes alone, so the painter's weights are added.
    """
    digest = hashlib.sha256(f"{model.preset} {model.size} {model.fingerprint}".encode())
    for name, tensor in sorted(model.generator.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
