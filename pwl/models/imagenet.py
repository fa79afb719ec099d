"""The preparation of images with which torchvision's models were trained on ImageNet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pwl.data.preparation import Class, Preparation
from pwl.data.scaling import Scaling

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green and blue, for pixels from 0 to 1


def imagenet_preparation(classes: Sequence[Class]) -> Preparation:
    """The preparation for images of bytes, 0 to 255, in red, green and blue.

    Parameters
    ----------
    classes : sequence of str, int or bool
        The labels in the order of their numbers.

    Returns
    -------
    Preparation
    """
    return Preparation(Scaling("standardise", 255 * np.array(MEAN), 255 * np.array(DEVIATION)), None, tuple(classes))
