"""Text tables and inputs that cannot be used: what is wrong, in words."""

import gzip

import numpy as np
import pytest
from test_table import MIXED, PLAIN

from pwl.data import read_inputs, read_table
from pwl.errors import InputError

# Name, file, options, and the words that the error must hold.
BROKEN = [
    ("empty", "", {}, ["is empty"]),
    ("blank", "\n \n", {}, ["is empty"]),
    ("header only", "a,b\n", {}, ["column names only", "at least 3"]),
    ("one line", "1,2,3\n", {}, ["1 row of data", "at least 3"]),
    ("two rows", "a,b\n1,2\n3,4\n", {}, ["2 rows", "at least 3"]),
    ("one column", "a\n1\n2\n3\n", {}, ["one column, 'a'", "--delimiter"]),
    ("other delimiter", "a/b\n1/2\n2/3\n3/4\n", {}, ["one column, 'a/b'", "--delimiter"]),
    ("wrong delimiter", "a,b\n1,2\n2,3\n3,4\n", {"delimiter": ";"}, ["one column, 'a,b'", "--delimiter"]),
    ("comment", "# made by hand\n# twice\na,b\n1,2\n2,3\n3,4\n", {}, ["'# made by hand'", "remove all lines"]),
    ("ragged long", "a,b\n1,2\n3,4,5\n6,7\n", {}, ["line 3", "3 fields between ','", "with 2", "--delimiter"]),
    ("ragged short", "a,b,c\n1,2,3\n4,5,6\n7,8\n", {}, ["line 4", "2 fields", "with 3"]),
    ("ragged after blank lines", "\na,b\n\n1,2\n3\n4,5\n", {}, ["line 5", "1 fields"]),
    ("ragged after a text of two lines", 'k,b\n"x\ny",2\nz\nz,3\n', {}, ["line 4", "1 fields"]),
    ("text among numbers", "a,b\n1,2\n3,four\n5,6\n", {}, ["line 3", "column 'b'", "'four'", "numbers"]),
    (
        "text in a first line",
        "1,2,oops\n1,2,3\n3,4,5\n5,6,7\n",
        {},
        ["line 1", "'c3'", "'oops'", "--header", "header=True"],
    ),
    ("number among texts", "k,b\nx,1\ny,2\n3,4\n", {}, ["line 2", "column 'k'", "'x'"]),
    ("thousands", 'a,b\n1,"1,000"\n2,"2"\n3,"3"\n', {}, ["'1,000'", "--decimal ,", "--thousands ,"]),
    ("both decimal marks", "a;b\n1,5;2.5\n2,5;3.5\n3;4\n", {}, ["line 2", "column 'a'", "'1,5'"]),
    ("underscore", "a,b\n1_0,2\n3,4\n5,6\n", {}, ["line 2", "'1_0'"]),
    ("missing", "a,b\n1,2\n,4\n5,6\n", {}, ["line 3", "column 'a'", "missing", "is empty"]),
    ("NA", "a,b\n1,2\nNA,4\n5,6\n", {}, ["line 3", "column 'a'", "missing", "'NA'"]),
    ("nan", "a,b\n1,2\n3,nan\n5,6\n", {}, ["line 3", "column 'b'", "missing", "'nan'"]),
    ("-nan", "a,b\n1,2\n3,-NaN\n5,6\n", {}, ["line 3", "column 'b'", "missing"]),
    ("missing text", "k,b\nx,2\n?,4\ny,6\n", {}, ["line 3", "column 'k'", "missing", "'?'"]),
    ("inf", "a,b\n1,2\n3,inf\n5,6\n", {}, ["line 3", "column 'b'", "'inf'", "finite"]),
    ("overflow", "a,b\n1,2\n3,-1e999\n5,6\n", {}, ["line 3", "column 'b'", "'-1e999'", "finite"]),
    ("same name twice", "a,b,a\n1,2,3\n", {}, ["'a'", "2 times"]),
    ("no name twice", ",c1,b\n0,1,2\n", {}, ["'c1'", "2 times"]),
    ("binary", b"PK\x03\x04\x00\x00rest", {}, ["not a text file"]),
    ("compressed and cut", gzip.compress(PLAIN.encode(), mtime=1)[:-9], {}, ["not a whole gzip file"]),
    ("constant target", "a,b\n1,2\n3,2\n5,2\n", {}, ["target 'b'", "one value"]),
    ("one class", "a,b\n1,x\n3,x\n5,x\n", {}, ["target 'b'", "one value"]),
    ("wrong target", PLAIN, {"targets": ["yy"]}, ["'yy'", "'y'"]),
    ("target in capitals", "size,price\n1,2\n", {"targets": "Price"}, ["did you mean 'price'"]),
    ("target number", PLAIN, {"targets": [4]}, ["no column 4", "3"]),
    ("target twice", PLAIN, {"targets": ["y", 3]}, ["once"]),
    ("target dropped", PLAIN, {"targets": ["y"], "drop": ["y"]}, ["dropped"]),
    ("no inputs", PLAIN, {"targets": ["a", "b", "y"]}, ["needs an input"]),
    ("two targets of classes", "k,a,y\nx,1,2\ny,2,3\nz,4,5\n", {"targets": ["k", "y"]}, ["alone"]),
    ("regression on text", MIXED, {"targets": "sex", "task": "regression"}, ["'sex'", "needs numbers"]),
    ("classes of fractions", PLAIN, {"task": "classification"}, ["'y' holds 0.5", "whole numbers"]),
    (
        "classes too many",
        "a,y\n" + "".join(f"{i % 2},{i}\n" for i in range(1001)),
        {"task": "classification"},
        ["line 1002", "column 'y'", "one category more than the 1000"],
    ),
    ("long delimiter", PLAIN, {"delimiter": "::", "task": "auto"}, ["'::'", "one character"]),
    ("unknown task", PLAIN, {"task": "ranking"}, ["'ranking'"]),
    (
        "too many categories",
        "k,y\n" + "".join(f"kind {i} of all,{i}\n" for i in range(101)),
        {},
        ["line 102", "'k'", "100", "drop"],
    ),
    ("endless field", 'k,y\n"' + "x" * 200_000 + '",1\nz,2\nz,3\n', {}, ["line 2", "200000 characters", "--drop"]),
]


@pytest.mark.parametrize(("content", "options", "words"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_broken_files(write, content, options, words):
    path = write(content)
    with pytest.raises(InputError) as error:
        read_table(path, **options)
    for word in [*words, *([] if {"targets", "task"} & set(options) else [str(path)])]:
        assert word in str(error.value)


def test_no_such_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="holds no files"):
        read_table(tmp_path)


def test_inputs_are_found_by_name(write):
    schema = read_table(write(MIXED)).schema
    x = read_inputs(write("id;length;sex\nq;1,5;F\nr;2,5;M\n", "new.csv"), schema)
    np.testing.assert_array_equal(x, [[1, 0, 0, 1.5], [0, 0, 1, 2.5]])
    np.testing.assert_array_equal(read_inputs(write("sex,length\nI,3\n", "one.csv"), schema), [[0, 1, 0, 3]])


def test_inputs_of_headerless_files(write):
    schema = read_table(write("1,2,3\n4,5,6\n7,8,10\n"), targets=1).schema
    np.testing.assert_array_equal(read_inputs(write("2,3\n", "two.csv"), schema), [[2, 3]])
    np.testing.assert_array_equal(read_inputs(write("1,2,3\n", "three.csv"), schema), [[2, 3]])
    with pytest.raises(InputError, match="4 columns, wanted the 2 inputs or all 3 columns of the table"):
        read_inputs(write("1,2,3,4\n", "four.csv"), schema)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("sex,lenght\nM,1\n", ["no column 'length'", "did you mean 'lenght'"]),
        ("sex,length\nM,1\nX,2\n", ["line 3", "column 'sex'", "'X'", "'F', 'I', 'M'"]),
        ("sex,length\nM,1\nM,\n", ["line 3", "column 'length'", "missing"]),
        ("sex,length\n", ["no rows"]),
        ("M,1\nF,2\n", ["no column 'sex'"]),
        ("sex,length\nM,1\nM\n", ["line 3", "1 fields"]),
    ],
)
def test_broken_inputs(write, content, words):
    schema = read_table(write(MIXED)).schema
    with pytest.raises(InputError) as error:
        read_inputs(write(content, "new.csv"), schema)
    for word in words:
        assert word in str(error.value)
