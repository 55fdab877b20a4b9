import json
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpqbridge_sim.salesforce.cpq import SAMPLE_NOW, random_org, sample_org, write_directory
from cpqbridge_sim.salesforce.cpq.export import json_text
from cpqbridge_sim.salesforce.org import Org


def test_files_have_the_shape_of_the_salesforce_cli(tmp_path):
    records = sample_org()
    paths = write_directory(records, tmp_path / "export")
    assert sorted(path.stem for path in paths) == sorted(records)
    for path in paths:
        document = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        assert set(document) == {"status", "result", "warnings"}
        result = document["result"]
        assert result["done"] is True
        assert result["totalSize"] == len(result["records"]) == len(records[path.stem])
        for row, record in zip(result["records"], records[path.stem], strict=True):
            attributes = row.pop("attributes")
            assert attributes["type"] == path.stem
            assert attributes["url"].endswith(f"/sobjects/{path.stem}/{record['Id']}")
            assert row == record


def test_numbers_keep_their_digits(tmp_path):
    (path,) = write_directory(
        {"X": [{"Id": "1", "M": Decimal("8.624657534246575"), "Q": Decimal("600.0")}]}, tmp_path
    )
    text = path.read_text()
    assert '"M": 8.624657534246575,' in text
    assert '"Q": 600.0' in text


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False, places=4),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_json_text_reads_back_as_it_was(value):
    assert json.loads(json_text(value), parse_float=Decimal) == value


def test_floats_are_refused():
    with pytest.raises(TypeError, match="float"):
        json_text({"Amount": 0.1})


def test_simulated_org_takes_the_sample_from_memory_and_from_files(tmp_path):
    records = sample_org()
    write_directory(records, tmp_path)
    from_memory, from_files = Org(now=SAMPLE_NOW), Org(now=SAMPLE_NOW)
    from_memory.load(records)
    from_files.load_directory(tmp_path)
    for org in (from_memory, from_files):
        for sobject, rows in records.items():
            for row in rows:
                loaded = org.record(sobject, row["Id"])
                assert {name: loaded.get(name) for name in row} == row, sobject


@pytest.mark.parametrize("seed", range(3))
def test_simulated_org_takes_random_orgs(seed):
    records = random_org(Random(seed), contracts=20).records
    org = Org(now=SAMPLE_NOW)
    org.load(records)
    assert org.record("Order", records["Order"][-1]["Id"])["StatusCode"] == "Activated"
