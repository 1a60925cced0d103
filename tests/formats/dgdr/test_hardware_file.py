"""A file with a hardware: block in place of a request's own fields."""

import json

import pytest

from simkit.core.errors import InputError
from simkit.formats.dgdr.hardware_file import with_hardware_file

REQUEST = {"spec": {"model": "a/b", "hardware": {"gpuSku": "l4", "totalGpus": 4}}}


@pytest.mark.parametrize(
    "text", ["hardware: {gpuSku: h200_sxm}", json.dumps({"hardware": {"gpuSku": "h200_sxm"}})]
)
def test_its_fields_replace_those_of_the_request(tmp_path, text):
    path = tmp_path / "hardware.yaml"
    path.write_text(text)
    found = with_hardware_file(REQUEST, path)
    assert found["spec"] == {"model": "a/b", "hardware": {"gpuSku": "h200_sxm", "totalGpus": 4}}
    assert REQUEST["spec"]["hardware"]["gpuSku"] == "l4"


def test_without_a_file_nothing_changes():
    assert with_hardware_file(REQUEST, None) == REQUEST


def test_a_file_without_a_block_says_what_writes_one(tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text("spec: {}")
    with pytest.raises(InputError, match="simkit discover -o"):
        with_hardware_file(REQUEST, path)
