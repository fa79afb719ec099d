"""Images of one's own: a folder with a folder of PNG or JPEG files for each class."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pwl.data.scratch import scratch_array
from pwl.errors import InputError

ENDINGS, FORMATS = (".png", ".jpg", ".jpeg"), ("PNG", "JPEG")
MOST_PIXELS = 2**26  # of one image: a small file may claim to be a huge one
IN_MEMORY = 2**31  # bytes of all images, above which they are kept on disk
GREY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F", "LA")


class Images(NamedTuple):
    """Images (Nv, height, width, channels) in bytes, class numbers (Nv,), the names of the classes, and the files."""

    x: np.ndarray
    t: np.ndarray
    classes: tuple[str, ...]
    files: tuple[Path, ...]


def is_image(path: Path) -> bool:
    """Whether a file is a PNG or JPEG by its name."""
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".")


def is_image_folder(path: Path) -> bool:
    """Whether a folder holds images, itself or in folders of its own."""
    return path.is_dir() and bool(images_of(path))


def images_of(folder: Path) -> list[Path]:
    """The images of a folder and of its folders in the order of their names."""
    return sorted(filter(is_image, [*folder.glob("*"), *(path for inner in _folders(folder) for path in inner.glob("*"))]))


def _folders(folder: Path) -> list[Path]:
    """The folders of a folder in the order of their names. Hidden ones are those of other programs."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def read_folder(
    folder: Path, size: int | tuple[int, int] | None = None, classes: Sequence[str] | None = None, channels: int | None = None
) -> Images:
    """The images of a folder that has a folder for each class.

    Classes are in the order of their names, and files in the order of theirs within a class.

    Parameters
    ----------
    folder : Path
    size : int or (int, int), optional
        Height and width, one number if they are equal, to which images are scaled; what is too long in one direction is cut
        off on both sides. Without it all images must have the same size.
    classes : sequence of str, optional
        The classes that may occur, in the order of their numbers.
    channels : int, optional
        1 for grey images, 3 for colours. Without it they are grey if all files are.

    Raises
    ------
    InputError
        If there are fewer than two classes, or an image can't be read. The message names the file.
    """
    found = {path.name: sorted(filter(is_image, path.iterdir())) for path in _folders(folder)}
    empty = [name for name, files in found.items() if not files]
    found = {name: files for name, files in found.items() if files}
    if loose := [path for path in folder.iterdir() if is_image(path)]:
        raise InputError(
            f"{loose[0]} is in no class: put the images of each class into a folder of its own in {folder}"
        )
    if not found or (classes is None and len(found) < 2):
        raise InputError(
            f"{folder} has {'one folder' if found else 'no folders'} of PNG or JPEG files, wanted two or more, one for each class"
        )
    known = tuple(found) if classes is None else tuple(classes)
    if strange := [name for name in found if name not in known]:
        raise InputError(f"{folder} has the class {strange[0]!r}, but the known classes are {', '.join(known)}")
    files = tuple(path for own in found.values() for path in own)
    _say_left_out(folder, frozenset(files), empty)
    t = np.concatenate([np.full(len(own), known.index(name)) for name, own in found.items()]).astype(np.int64)
    return Images(read_files(files, (size, size) if isinstance(size, int) else size, channels), t, known, files)


def _say_left_out(folder: Path, files: Set[Path], empty: list[str]) -> None:
    """Warns of files that are no images of a class, and of folders without images. Hidden ones are not meant as such."""
    seen = [path for path in folder.rglob("*") if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if others := [path for path in seen if path not in files and path.is_file()]:
        some = f"{len(others)} files of {folder} are no PNG or JPEG in the folder of a class, such as {others[0]}"
        warnings.warn(f"{some}, and are left out", stacklevel=3)
    if empty:
        some = f"{', '.join(empty[:3])}{', ...' if empty[3:] else ''}"
        warnings.warn(f"{folder} has folders without images, which are no classes: {some}", stacklevel=3)


def read_files(files: Sequence[Path], size: tuple[int, int] | None, channels: int | None = None) -> np.ndarray:
    """Images (Nv, height, width, channels) in bytes. size: height and width, or None for the size that all of them have."""
    heads = [_head(path) for path in files] if size is None or channels is None else []
    if size is None:
        size = heads[0][0]
        for path, (own, _) in zip(files, heads, strict=True):
            if own != size:
                raise InputError(
                    f"{path} has {own[0]}x{own[1]} pixels, but {files[0]} has {size[0]}x{size[1]}: give --image-size, and all are "
                    "scaled to it"
                )
    channels = channels or (1 if all(mode in GREY for _, mode in heads) else 3)
    shape = (len(files), *size, channels)
    x = np.empty(shape, np.uint8) if np.prod(shape) < IN_MEMORY else scratch_array(shape, np.uint8)
    for place, path in enumerate(files):
        x[place] = read_image(path, size, channels)
    return x


def read_image(path: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """One image (height, width, channels) in bytes, scaled so that it fills the size, with its middle kept.

    Raises InputError for a file that is damaged, cut short, too large, or no PNG or JPEG.
    """
    ops = _pillow()[1]
    with _opened(path) as image:
        turned = ops.exif_transpose(image)
        pixels = _grey(turned) if channels == 1 else _colours(turned)
        if (pixels.height, pixels.width) != size:
            pixels = ops.fit(pixels, size[::-1], method=_pillow()[0].Resampling.BILINEAR)
        return np.asarray(pixels, dtype=np.uint8).reshape(*size, channels)


def _grey(image: Any) -> Any:
    """An image of one channel. Those of 16 bits lose the lower 8, where Pillow would cut off at 255."""
    if image.mode.startswith("I"):
        return _pillow()[0].fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    return image.convert("L")


def _colours(image: Any) -> Any:
    return (_grey(image) if image.mode.startswith("I") else image).convert("RGB")


def _head(path: Path) -> tuple[tuple[int, int], str]:
    """Height and width, as the image is held, and the mode of its pixels, from the beginning of the file."""
    with _opened(path, whole=False) as image:
        turned = image.getexif().get(0x0112, 1) >= 5  # orientations 5 to 8 lie on a side
        return ((image.width, image.height) if turned else (image.height, image.width)), image.mode


@contextlib.contextmanager
def _opened(path: Path, whole: bool = True) -> Iterator[Any]:
    """Context of an open image, in which what goes wrong becomes an InputError that names the file."""
    library = _pillow()[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, about sizes and odd metadata
            if path.exists() and not path.is_file():
                raise InputError(f"{path} is a folder, a pipe or a device with the name of an image: remove it")
            with library.open(path, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise InputError(f"{path} has {image.width} x {image.height} pixels: make it smaller")
                if whole:
                    image.load()
                yield image
    except InputError:
        raise
    except Exception as wrong:  # Pillow's decoders raise many kinds for damaged files
        reason = " ".join(str(wrong).split())[:120] or type(wrong).__name__
        raise InputError(f"{path} is no PNG or JPEG, or it is damaged or cut short ({reason}): remove it") from None


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError:
        raise InputError("images are read by Pillow, which is not installed: pip install 'pwl[images]'") from None
    return Image, ImageOps
