"""The table of named data sets: their columns, the places of their files in the cache, and where the files come from."""

from __future__ import annotations

from dataclasses import dataclass

TORONTO = "https://www.cs.toronto.edu/~kriz/"
FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
UCI = "https://archive.ics.uci.edu/dataset/"


@dataclass(frozen=True)
class File:
    """One file of a data set.

    path: in the cache folder. source: address of the page or file, for people. url: address for the download, if there
    is one, checked by known_hash ("md5:..."). archived: the file's name in a tar file at url. md5, bytes: checksum and
    size of the file itself, if they are known.
    """

    path: str
    source: str
    url: str | None = None
    known_hash: str | None = None
    archived: str | None = None
    md5: str | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class DataSet:
    """A named data set.

    Parameters
    ----------
    name, description : str
    patterns : int
        In the training part.
    shape : tuple of int
        Of the inputs of one pattern.
    inputs : tuple of str or None
        Names of the columns of x; None for images.
    targets : tuple of str or None
        Names of the columns of t, in the units that the description gives; None for classes.
    classes : tuple of str or None
        Names of the classes; None for regression.
    licence : str
    megabytes : float
        Size of the files, approximately.
    train, test : tuple of File
        The files of each part. Sets that are generated or come with pwl have none.
    """

    name: str
    description: str
    patterns: int
    shape: tuple[int, ...]
    inputs: tuple[str, ...] | None
    targets: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    licence: str
    megabytes: float = 0.0
    train: tuple[File, ...] = ()
    test: tuple[File, ...] = ()

    @property
    def can_fetch(self) -> bool:
        """True if all files can be downloaded, or none is needed."""
        return all(file.url for file in self.train + self.test)


def _table(
    name: str, description: str, patterns: int, inputs: str, targets: str, licence: str, file: File, mb: float
) -> DataSet:
    names = tuple(inputs.split())
    return DataSet(
        name, description, patterns, (len(names),), names, tuple(targets.split()), None, licence, mb, (file,)
    )


def _images(
    name: str, description: str, classes: str, licence: str, base: str, md5s: tuple[str, ...], mb: float
) -> DataSet:
    names = (f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
    files = tuple(File(f"{name}/{n}", base + n, base + n, f"md5:{m}") for n, m in zip(names, md5s, strict=True))
    shape, labels = (28, 28, 1), tuple(classes.split(","))
    return DataSet(name, description, 60_000, shape, None, None, labels, licence, mb, files[:2], files[2:])


def _generated(name: str, description: str, patterns: int, inputs: str, targets: str) -> DataSet:
    names = tuple(inputs.split())
    return DataSet(
        name, description, patterns, (len(names),), names, tuple(targets.split()), None, "none needed: generated"
    )


def _cifar(batch: str, md5: str | None) -> File:
    archive = TORONTO + "cifar-10-binary.tar.gz"
    path = f"cifar-10-batches-bin/{batch}.bin"
    return File(path, archive, archive, "md5:c32a1d4ab5d03f1284b67883e8d87530", path, md5, 10_000 * 3073)


_WINE = (
    "fixed_acidity volatile_acidity citric_acid residual_sugar chlorides free_sulfur_dioxide total_sulfur_dioxide "
    "density pH sulphates alcohol"
)
_VOICE = (
    "age sex test_time jitter_percent jitter_abs jitter_rap jitter_ppq5 jitter_ddp shimmer shimmer_dB shimmer_apq3 "
    "shimmer_apq5 shimmer_apq11 shimmer_dda NHR HNR RPDE DFA PPE"
)
_TWOD = "permittivity upper_height lower_height upper_correlation lower_correlation optical_depth scattering_albedo"
_IPNNL = "https://ipnnl.uta.edu/training-data-files"
_BY = "CC BY 4.0"

DATA_SETS: dict[str, DataSet] = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            "concrete",
            "compressive strength of concrete in MPa from its mixture in kg/m3 and its age in days",
            1030,
            (8,),
            ("cement", "slag", "fly_ash", "water", "superplasticizer", "coarse_aggregate", "fine_aggregate", "age"),
            ("strength",),
            None,
            f"{_BY}, I-Cheng Yeh, UCI",
            0.05,
        ),
        _table(
            "white-wine",
            "quality of white wine, a grade from 0 to 10, from 11 measurements",
            4898,
            _WINE,
            "quality",
            f"{_BY}, P. Cortez and others, UCI",
            File("uci/winequality-white.csv", UCI + "186/wine+quality"),
            0.3,
        ),
        _table(
            "red-wine",
            "quality of red wine, a grade from 0 to 10, from 11 measurements",
            1599,
            _WINE,
            "quality",
            f"{_BY}, P. Cortez and others, UCI",
            File("uci/winequality-red.csv", UCI + "186/wine+quality"),
            0.1,
        ),
        _table(
            "abalone",
            "rings of an abalone shell (age in years less 1.5) from sex (one column each), sizes and weights",
            4177,
            "sex=F sex=I sex=M length diameter height whole_weight shucked_weight viscera_weight shell_weight",
            "rings",
            f"{_BY}, W. Nash and others, UCI",
            File("uci/abalone.csv", UCI + "1/abalone"),
            0.2,
        ),
        _table(
            "airfoil",
            "sound pressure level of an airfoil in dB from frequency (Hz), angle (degrees), chord (m), speed (m/s)",
            1503,
            "frequency angle chord speed displacement_thickness",
            "sound_pressure_level",
            f"{_BY}, T. Brooks, D. Pope and M. Marcolini, UCI",
            File("uci/airfoil_self_noise.dat", UCI + "291/airfoil+self+noise"),
            0.06,
        ),
        _table(
            "california",
            "median house value of a Californian district in US dollars of 1990, from the 1990 census",
            20_640,
            "longitude latitude median_age rooms bedrooms population households median_income",
            "median_house_value",
            "none stated, R. Pace and R. Barry, StatLib",
            File(
                "uci/cal_housing.data",
                "https://www.dcc.fc.up.pt/~ltorgo/Regression/cal_housing.html",
                "https://ndownloader.figshare.com/files/5976036",
                "sha256:aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681",
                "CaliforniaHousing/cal_housing.data",
            ),
            2.1,
        ),
        _table(
            "parkinsons",
            "motor and total score of Parkinson's disease (UPDRS) from 16 measures of voice, age, sex and day of test; "
            "the subject's number is left out, so folds mix the 42 subjects",
            5875,
            _VOICE,
            "motor_UPDRS total_UPDRS",
            f"{_BY}, A. Tsanas and M. Little, UCI",
            File("uci/parkinsons_updrs.data", UCI + "189/parkinsons+telemonitoring"),
            0.9,
        ),
        DataSet(
            "twod",
            "7 parameters of a rough two-layer surface from 8 radar backscattering coefficients; parts train and test",
            1768,
            (8,),
            tuple(f"backscatter_{i}" for i in range(1, 9)),
            tuple(_TWOD.split()),
            None,
            "none stated, IPNNL, University of Texas at Arlington",
            0.4,
            (File("ipnnl/Twod.tra", _IPNNL),),
            (File("ipnnl/Twod.tst", _IPNNL),),
        ),
        _images(
            "fashion-mnist",
            "grey 28 x 28 images of clothes, bytes 0 to 255; parts train (60,000) and test (10,000)",
            "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot",
            "MIT, Zalando",
            FASHION,
            (
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "25c81989df183df01b3e8a0aad5dffbe",
                "bef4ecab320f06d8554ea6380940ec79",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
            31.0,
        ),
        _images(
            "mnist",
            "grey 28 x 28 images of handwritten digits, bytes 0 to 255; parts train (60,000) and test (10,000)",
            "0,1,2,3,4,5,6,7,8,9",
            "CC BY-SA 3.0, Y. LeCun and C. Cortes",
            MNIST,
            (
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "d53e105ee54ea40749a09fcbcd1e9432",
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
            12.0,
        ),
        DataSet(
            "cifar-10",
            "colour 32 x 32 images of ten kinds of things, bytes 0 to 255; parts train (50,000) and test (10,000)",
            50_000,
            (32, 32, 3),
            None,
            None,
            ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
            "none stated, A. Krizhevsky, University of Toronto",
            184.0,
            tuple(
                _cifar(f"data_batch_{i}", md5)
                for i, md5 in enumerate(
                    (
                        "5dd7e06a14cb22eb9f671a540d1b7c25",
                        "5ea93a67294ea407fff1d09f752e9692",
                        "942cd6a4bcdd0dd3c604fbe906cb4421",
                        "ae636b3ba5c66a11e91e8cb52e771fcb",
                        "53f37980c15c3d472c316c40844f3f0d",
                    ),
                    start=1,
                )
            ),
            (_cifar("test_batch", None),),
        ),
        _generated(
            "mattrn",
            "the inverse of a 2 x 2 matrix with entries from 0 to 1 and a determinant from 0.3 to 2",
            2000,
            "a11 a12 a21 a22",
            "b11 b12 b21 b22",
        ),
        _generated(
            "fm",
            "demodulation of a frequency-modulated cosine: 5 neighbouring samples to the message",
            1024,
            "r(n-2) r(n-1) r(n) r(n+1) r(n+2)",
            "message",
        ),
    )
}
