"""Data: named data sets, tables of your own, folds for cross-validation."""

from pwl.data.cache import data_home
from pwl.data.crossvalidation import Fold, folds
from pwl.data.load import CatalogueRow, catalogue, describe, load
from pwl.data.schema import Column, Schema
from pwl.data.sets import DataSet
from pwl.data.table import Table, read_inputs, read_table

__all__ = [
    "CatalogueRow",
    "Column",
    "DataSet",
    "Fold",
    "Schema",
    "Table",
    "catalogue",
    "data_home",
    "describe",
    "folds",
    "load",
    "read_inputs",
    "read_table",
]
