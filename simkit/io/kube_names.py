"""Names and versions as Kubernetes and Dynamo's CRDs allow them, and how to say so in words."""

import re

VERSION_PATTERN = r"^(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
COMPONENT_PATTERN = r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$"
LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_VERSION_TAG = re.compile(r":v?\d+\.\d+\.\d+([-+.][0-9A-Za-z.+-]*)?$")

PATTERN_WORDS = {
    VERSION_PATTERN: "must be MAJOR.MINOR.PATCH, such as 1.6.1",
    NAME_PATTERN: "must be lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
    LABEL_PATTERN: "must be lower-case letters, digits and '-', with a letter or digit at both ends",
    COMPONENT_PATTERN: "must be letters, digits and '-', with a letter or digit at both ends",
}


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text fits one of the patterns above."""
    return re.fullmatch(pattern, text) is not None


def has_version_tag(image: str) -> bool:
    """Whether an image reference ends in a tag like :1.6.1 (a digest does not)."""
    return "@" not in image and _VERSION_TAG.search(image) is not None
