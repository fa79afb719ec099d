"""Images of one's own: folders of PNG and JPEG files, damaged and foreign ones, and the commands that take them."""

from __future__ import annotations

import csv
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from refusals import fails

import pwl
from pwl.cli import main
from pwl.data.image_folder import images_of, is_image_folder, read_files, read_folder, read_image

Image = pytest.importorskip("PIL.Image", reason="images are read by Pillow")
pytestmark = pytest.mark.usefixtures("empty_folder")


def pixels(seed, shape=(10, 12, 3), bright=0):
    return (np.random.default_rng(seed).integers(0, 156, shape) + bright).astype(np.uint8)


def folder(name="birds", count=12, shape=(10, 12, 3)):
    """Two classes of PNG files, the second one brighter."""
    for place, kind in enumerate(("crow", "swan")):
        Path(name, kind).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(pixels(2 * i + place, shape, 99 * place)).save(Path(name, kind, f"{i:02}.png"))
    return Path(name)


# ---- reading


def test_a_folder_of_classes():
    found = read_folder(folder(count=3))
    assert found.x.shape == (6, 10, 12, 3) and found.x.dtype == np.uint8 and found.classes == ("crow", "swan")
    assert found.t.tolist() == [0, 0, 0, 1, 1, 1] and [path.name for path in found.files[:3]] == [
        "00.png",
        "01.png",
        "02.png",
    ]
    assert np.array_equal(found.x[1], pixels(2)) and np.array_equal(found.x[4], pixels(3, bright=99))


def test_grey_images_have_one_channel_and_mixed_ones_three():
    Path("a").mkdir(), Path("b").mkdir()
    grey = pixels(0, (4, 5))
    Image.fromarray(grey).save("a/1.png")
    Image.fromarray((grey.astype(np.uint16) << 8) + 7).save("b/1.png")  # 16 bits a pixel
    found = read_folder(Path())
    assert (
        found.x.shape == (2, 4, 5, 1)
        and np.array_equal(found.x[0, ..., 0], grey)
        and np.array_equal(found.x[1], found.x[0])
    )
    Image.fromarray(pixels(0, (4, 5, 3))).save("b/2.png")
    assert read_folder(Path()).x.shape == (3, 4, 5, 3)
    Image.fromarray(pixels(0, (4, 5, 4)), "RGBA").save("b/3.png")
    assert np.array_equal(read_folder(Path()).x[3], pixels(0, (4, 5, 4))[..., :3])


def test_images_are_scaled_and_their_middle_is_kept():
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200  # the middle third
    Image.fromarray(wide).save("wide.png")
    small = read_image(Path("wide.png"), (10, 10), 3)
    assert small.shape == (10, 10, 3) and np.all(small[:, 1:-1] == 200)
    assert np.array_equal(read_image(Path("wide.png"), (20, 60), 3), wide)


def test_jpeg_and_the_side_on_which_a_camera_lay():
    # (24, 16), brighter below.
    image = Image.fromarray(np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[:, None], 16, axis=1))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, so that the left side is up
    image.save("a.jpg", quality=95, exif=exif)
    found = read_files([Path("a.jpg")], None)[0, ..., 0].astype(int)
    assert found.shape == (16, 24)
    assert np.all(np.diff(found[8, 1:-1]) < 0), "bright on the left"


def test_what_is_no_image_is_said():
    path = folder(count=2)
    content = (path / "crow/00.png").read_bytes()
    huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0))
    huge += chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    cases = {
        "cut": (content[: len(content) // 2], "damaged or cut short"), "empty": (b"", "no PNG or JPEG"),
        "gif": (b"GIF89a" + bytes(20), "no PNG or JPEG"), "text": (b"hello", "no PNG or JPEG"),
        "flipped": (content[:60] + bytes([content[60] ^ 255]) + content[61:], "damaged"), "huge": (huge, "has 9000 x 9000 pixels"),
        "program": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no PNG or JPEG"),
    }  # fmt: skip
    for bad, said in cases.values():
        (path / "swan/99.png").write_bytes(bad)
        for size in (None, 8):
            with pytest.raises(pwl.InputError, match=rf"swan.99\.png.*{said}"):
                read_folder(path, size)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_every_cut_of_a_file_is_said():
    Image.fromarray(pixels(0)).save("a.png")
    Image.fromarray(pixels(0)).save("a.jpg")
    for path in (Path("a.png"), Path("a.jpg")):
        content = path.read_bytes()
        for length in range(0, len(content) - 20, 7):
            path.write_bytes(content[:length])
            with pytest.raises(pwl.InputError, match="damaged or cut short"):
                read_image(path, (10, 12), 3)


def test_hidden_folders_are_none_and_empty_ones_are_said():
    """Notebooks keep copies of images in hidden folders."""
    path = folder(count=2)
    (path / ".checkpoints").mkdir()
    Image.fromarray(pixels(0)).save(path / ".checkpoints/00.png")
    (path / ".checkpoints/notes.txt").write_text("x")
    found = read_folder(path)
    assert found.classes == ("crow", "swan") and images_of(path) == list(found.files)
    (path / "gull/young").mkdir(parents=True)
    Image.fromarray(pixels(0)).save(path / "gull/young/a.png")
    with (
        pytest.warns(UserWarning, match="folders without images, which are no classes: gull"),
        pytest.warns(UserWarning, match=r"in the folder of a class, such as .*a.png, and are left out"),
    ):
        assert read_folder(path).classes == ("crow", "swan")
    (path / "gull/young/a.png").unlink()
    with pytest.raises(pwl.InputError, match="no folders of PNG or JPEG files"):
        read_folder(path / "gull", classes=("crow", "swan"))


@pytest.mark.parametrize("size", [None, 8])
def test_pipes_and_folders_with_the_name_of_an_image(size):
    """A pipe would be waited for."""
    path = folder(count=2)
    (path / "swan/77.png").mkdir()
    with pytest.raises(pwl.InputError, match=r"77.png is a folder, a pipe or a device with the name of an image: remove it"):
        read_folder(path, size)
    (path / "swan/77.png").rmdir()
    os.mkfifo(path / "swan/77.png")
    with pytest.raises(pwl.InputError, match=r"77.png is a folder, a pipe or a device"):
        read_folder(path, size)


def test_folders_that_are_no_classes_are_said():
    path = folder(count=2)
    Image.fromarray(pixels(0, (11, 12, 3))).save(path / "swan/77.png")
    with pytest.raises(pwl.InputError, match=r"77.png has 11x12 pixels, but .*00.png has 10x12: give --image-size"):
        read_folder(path)
    assert read_folder(path, 8).x.shape == (5, 8, 8, 3)
    with pytest.raises(pwl.InputError, match="has the class 'swan', but the known classes are crow, gull"):
        read_folder(path, 8, ("crow", "gull"))
    Path(path, "notes.txt").write_text("x")
    with pytest.warns(UserWarning, match=r"1 files of birds are no PNG or JPEG in the folder of a class, such as .*notes.txt"):
        read_folder(path, 8)
    Image.fromarray(pixels(0)).save(path / "loose.png")
    with pytest.raises(pwl.InputError, match=r"loose.png is in no class"):
        read_folder(path, 8)
    Path("one/crow").mkdir(parents=True)
    Image.fromarray(pixels(0)).save("one/crow/a.png")
    assert (
        is_image_folder(Path("one"))
        and not is_image_folder(Path("one/crow/a.png"))
        and not is_image_folder(Path("none"))
    )
    with pytest.raises(pwl.InputError, match="one folder of PNG or JPEG files, wanted two or more"):
        read_folder(Path("one"))


def test_without_pillow_a_sentence_says_what_to_install(monkeypatch):
    import sys

    path = folder(count=2)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(pwl.InputError, match=r"pip install 'pwl\[images\]'"):
        read_folder(path)


# ---- commands


def test_train_and_predict_with_file_names(capsys):
    path = folder(count=20)
    run = ["train", path, "--network", "vgg1", "--hinges", "5", "--iterations", "4", "--flip"]
    assert main([str(a) for a in run]) == 0
    printed = capsys.readouterr().out
    assert "birds: 40 patterns, images of 10x12x3, 2 classes of class" in printed and "minibatch-adact" in printed
    assert main(["predict", "net.safetensors", str(path), "--out", "found.csv"]) == 0
    assert "of 40 rows in the right class" in capsys.readouterr().err
    lines = list(csv.reader(open("found.csv")))
    assert lines[0] == ["file", "class"] and lines[1][0] == "crow/00.png" and len(lines) == 41
    right = np.mean([Path(name).parent.name == label for name, label in lines[1:]])
    assert right > 0.9
    assert main(["predict", "net.safetensors", str(path / "swan/03.png"), "--probabilities"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "file,class=crow,class=swan" and printed[1].startswith("birds/swan/03.png,")


def test_images_that_cannot_be_predicted_have_empty_cells(capsys):
    path = folder(count=8)
    assert (
        main(["train", str(path), "--network", "vgg1", "--hinges", "5", "--iterations", "1", "--image-size", "8"]) == 0
    )
    capsys.readouterr()
    Path("new").mkdir()
    Image.fromarray(pixels(0, (30, 20))).save("new/a.png")  # of another size, and grey
    Path("new/b.jpg").write_bytes(b"\xff\xd8\xff")
    assert main(["predict", "net.safetensors", "new"]) == 0
    printed, said = capsys.readouterr()
    lines = printed.splitlines()
    assert lines[1] in ("a.png,crow", "a.png,swan") and lines[2] == "b.jpg,"
    assert "1 of 2 rows can't be read" in said and "new/b.jpg is no PNG or JPEG" in said and "right class" not in said
    assert "b.jpg is no PNG or JPEG" in fails(capsys, "predict", "net.safetensors", "new", "--strict")
    Path("new/a.png").rename(os.fsdecode(b"new/\xff.png"))  # a name that is no text
    assert main(["predict", "net.safetensors", "new", "--out", "found.csv"]) == 0
    assert "\n\\udcff.png," in Path("found.csv").read_text()


def test_a_folder_of_its_own_validates(capsys):
    path, other = folder(count=8), folder("more", count=4)
    run = ["train", path, "--network", "vgg1", "--hinges", "5", "--iterations", "1"]
    assert main([str(a) for a in [*run, "--validation", other]]) == 0
    assert "validation accuracy" in capsys.readouterr().out
    (other / "crow").rename(other / "gull")
    assert "has the class 'gull', but the known classes are crow, swan" in fails(capsys, *run, "--validation", other)
    folder("large", count=4, shape=(11, 12, 3))
    assert "wanted (10, 12, 3): give --image-size" in fails(capsys, *run, "--validation", "large")


def test_options_that_do_not_fit_are_said(capsys):
    path = folder(count=3)
    assert "--image-size is for folders of images" in fails(capsys, "train", "concrete", "--image-size", "8")
    assert "--image-size must be a whole number" in fails(capsys, "train", path, "--image-size", "0")
    assert "--target is for tables" in fails(capsys, "train", path, "--target", "x")
    pwl.initialise(pwl.Network.mlp(3, 2, 1), (np.eye(3), np.ones((3, 1)))).save("table.safetensors")
    assert "wanted a network for images of 1 or 3 channels" in fails(capsys, "predict", "table.safetensors", path)
