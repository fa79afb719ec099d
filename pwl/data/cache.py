"""The cache folder. A data set's files are found there and checked, or downloaded; errors say where to get them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

from pwl.data.sets import File
from pwl.errors import InputError


def data_home() -> Path:
    """The folder of downloaded data: PWL_DATA_HOME if that environment variable is set, else the user's cache folder.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        If PWL_DATA_HOME begins with the home of a user that is not known.
    """
    home = os.environ.get("PWL_DATA_HOME")
    if home:
        try:
            return Path(home).expanduser()
        except RuntimeError:
            raise InputError(f"PWL_DATA_HOME is {home!r}, but there is no such user: let it name a folder") from None
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("pwl"))


def find(file: File) -> Path:
    """The path of a file in the cache folder, checked for its size and checksum. A missing file is downloaded.

    Raises InputError, which names the file, its place, its source and the fault.
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
    """The error for a file with wrong content."""
    return InputError(f"{path} is damaged: {reason}; delete it and get it again from {file.source}")


def _fetch(file: File, path: Path) -> None:
    if file.url is None:
        raise InputError(
            f"{path} is missing: get it from {file.source} and put it there "
            "(the environment variable PWL_DATA_HOME names the folder)"
        )
    import pooch

    # Archives are kept, so that a second file in one costs no second download.
    folder, name = (
        (path.parent, path.name) if file.archived is None else (data_home() / "downloads", Path(file.source).name)
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fetched = pooch.retrieve(file.url, known_hash=file.known_hash, fname=name, path=folder)
        if file.archived is not None:
            _unpack(Path(fetched), file.archived, path)
    except Exception as error:  # the network, the disk and the archive raise many kinds
        # The message of a failed connection is long. That of a wrong checksum (ValueError) names both sums.
        reason = (
            " ".join(str(error).split())[:400] if isinstance(error, ValueError | KeyError) else type(error).__name__
        )
        inside = f", which holds it as {file.archived}," if file.archived else ""
        raise InputError(
            f"{path} is missing and could not be downloaded ({reason}): get {file.url}{inside} and put the file there "
            "(the environment variable PWL_DATA_HOME names the folder)"
        ) from None


def _unpack(archive: Path, member: str, path: Path) -> None:
    part = path.with_name(path.name + ".part")
    with tarfile.open(archive) as tar:
        source = tar.extractfile(member)
        if source is None:
            raise KeyError(f"{member} is not a file of the archive")
        with source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
    part.replace(path)  # in one step, so that an interrupt leaves no half file under the right name


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
