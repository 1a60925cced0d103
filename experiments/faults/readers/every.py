"""Every reader of files: the valid file whose damaged versions it is given, and what it is used for."""

from faults.readers import answers, artifacts, documents, measured, results, tables
from faults.readers.reader import Reader


def readers() -> list[Reader]:
    """All of them."""
    subjects = (results, measured, answers, documents, tables, artifacts)
    return [reader for subject in subjects for reader in subject.READERS]
