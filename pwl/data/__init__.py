"""Data: named data sets, tables of your own, folds for cross-validation."""

from pwl.data.cache import data_home
from pwl.data.crossvalidation import Fold, folds
from pwl.data.inputs import read_inputs
from pwl.data.load import CatalogueRow, catalogue, describe, load
from pwl.data.resize import resized
from pwl.data.rules import Rules
from pwl.data.schema import Column, Schema
from pwl.data.sets import DataSet
from pwl.data.split import split
from pwl.data.table import Table, read_table

__all__ = [
    "CatalogueRow",
    "Column",
    "DataSet",
    "Fold",
    "Rules",
    "Schema",
    "Table",
    "catalogue",
    "data_home",
    "describe",
    "folds",
    "load",
    "read_inputs",
    "read_table",
    "resized",
    "split",
]
