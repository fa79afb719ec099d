"""The cache folder: a data set's files, found, fetched where they can be, checked; else where to get them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

from pwl.data.sets import File
from pwl.errors import InputError


def data_home() -> Path:
    """The folder of downloaded data: the environment variable PWL_DATA_HOME, else the user's cache folder for pwl."""
    home = os.environ.get("PWL_DATA_HOME")
    if home:
        return Path(home).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("pwl"))


def find(file: File) -> Path:
    """The path of a file in the cache folder, downloaded when it is not there, of the right size and checksum.

    Raises InputError that names the file, what was expected, where to get it and where to put it.
    """
    path = data_home() / file.path
    if not path.exists():
        _fetch(file, path)
    size = path.stat().st_size
    if file.bytes is not None and size != file.bytes:
        raise damaged(file, path, f"it has {size} bytes, wanted {file.bytes}")
    if file.md5 is not None and (md5 := _md5(path)) != file.md5:
        raise damaged(file, path, f"its md5 is {md5}, wanted {file.md5}")
    return path


def damaged(file: File, path: Path, reason: str) -> InputError:
    """The error for a file whose content is not what it should be."""
    return InputError(f"{path} is damaged: {reason}; delete it and get it anew from {file.source}")


def _fetch(file: File, path: Path) -> None:
    if file.url is None:
        raise InputError(
            f"{path} is missing: get it from {file.source} and put it there (PWL_DATA_HOME names the folder)"
        )
    import pooch

    # Archives stay, so that a second file of theirs costs no second download.
    folder, name = (
        (path.parent, path.name) if file.archived is None else (data_home() / "downloads", Path(file.source).name)
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fetched = pooch.retrieve(file.url, known_hash=file.known_hash, fname=name, path=folder)
        if file.archived is not None:
            _unpack(Path(fetched), file.archived, path)
    except Exception as error:  # whatever the network, the disk or the archive may raise
        # A failed connection says nothing short; a wrong checksum (ValueError) names both sums.
        reason = (
            " ".join(str(error).split())[:400] if isinstance(error, ValueError | KeyError) else type(error).__name__
        )
        inside = f", which holds it as {file.archived}," if file.archived else ""
        raise InputError(
            f"{path} is missing and could not be downloaded ({reason}): get {file.url}{inside} and put the file there "
            "(PWL_DATA_HOME names the folder)"
        ) from None


def _unpack(archive: Path, member: str, path: Path) -> None:
    part = path.with_name(path.name + ".part")
    with tarfile.open(archive) as tar:
        source = tar.extractfile(member)
        if source is None:
            raise KeyError(f"{member} is not a file of the archive")
        with source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
    part.replace(path)  # at once, so that a broken run leaves no half file under the right name


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
