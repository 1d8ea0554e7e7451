"""What can be wrong with a file, each case with its code."""

from netra_optimizer.errors import InputError, StoreError


class FileMissing(InputError):
    """The file does not exist or may not be read."""

    code = "OPT-101"


class FileEmpty(InputError):
    """The file holds nothing, or a header alone."""

    code = "OPT-102"


class FileBinary(InputError):
    """The file is neither text nor Parquet."""

    code = "OPT-103"


class FormatUnknown(InputError):
    """No importer recognizes the file."""

    code = "OPT-104"


class ColumnMissing(InputError):
    """A column that the format cannot do without is missing."""

    code = "OPT-105"


class NoUsableRow(InputError):
    """Every row was left out."""

    code = "OPT-106"


class ModelNeeded(InputError):
    """The file does not say which model answered."""

    code = "OPT-107"


class FileTooLarge(InputError):
    """A compressed file that unpacks without end, or one value larger than anything real."""

    code = "OPT-108"


class BadOption(InputError):
    """An option of the import cannot be understood."""

    code = "OPT-109"


class FileDamaged(InputError):
    """A compressed file or Parquet file ends or breaks in the middle."""

    code = "OPT-110"


class StoreBusy(StoreError):
    """Another process owns the usage store."""

    code = "OPT-301"


class StoreUnreachable(StoreError):
    """The ClickHouse server does not answer."""

    code = "OPT-302"
    retryable = True


class StoreTooNew(StoreError):
    """The usage store was written by a later version."""

    code = "OPT-303"


class BadQuery(StoreError):
    """A breakdown or filter names something that is not a column."""

    code = "OPT-304"
