"""The metadata for an org: whole, well formed, the same fields as those we read and write."""

from __future__ import annotations

import io
import json
import zipfile
from xml.etree import ElementTree as ET

import pytest

from cpqbridge.mapping.fields import CouponFields, OurFields
from cpqbridge.salesforce.package import (
    APP_FOLDER,
    FIELDS_FOLDER,
    fields_zip,
    packaged_fields,
    packaged_objects,
)
from cpqbridge_sim.salesforce.metadata import Metadata

CALLBACK = "https://bridge.example/connections/callback?a=1&b=2"
SPACE = "{http://soap.sforce.com/2006/04/metadata}"
# What describe calls the kinds of the metadata.
KINDS = {
    "Text": {"string", "picklist"},
    "Url": {"url"},
    "LongTextArea": {"textarea"},
    "Checkbox": {"boolean"},
    "Lookup": {"reference"},
    "Percent": {"percent"},
    "Currency": {"currency"},
    "Number": {"double"},
}


def files(prefix: str = "") -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(fields_zip(prefix, callback_url=CALLBACK))) as archive:
        return {name.removeprefix("cpqbridge-salesforce/"): archive.read(name) for name in archive.namelist()}


def test_every_file_is_well_formed_and_the_project_names_both_folders() -> None:
    found = files()
    project = json.loads(found["sfdx-project.json"])
    assert [each["path"] for each in project["packageDirectories"]] == [FIELDS_FOLDER, APP_FOLDER]
    documents = {name: ET.fromstring(text) for name, text in found.items() if name.endswith(".xml")}
    assert len(documents) > 30
    assert {each.tag for each in documents.values()} >= {f"{SPACE}CustomField", f"{SPACE}PermissionSet"}
    assert fields_zip("", callback_url=CALLBACK) == fields_zip("", callback_url=CALLBACK)


@pytest.mark.parametrize("prefix", ["", "Acme_"])
def test_it_has_every_field_that_we_write_and_no_other(prefix: str) -> None:
    ours = OurFields(prefix)
    packed = {(each.object_name, each.name) for each in packaged_fields(prefix)}
    packed |= {(one.object_name, one.name) for each in packaged_objects() for one in each.fields}
    assert set(ours.written()) <= packed
    assert {("Order", ours.skip_past_initial_invoices), ("OrderItem", ours.skip_line_item)} <= packed
    assert {(CouponFields.OBJECT, name) for name in CouponFields.ALL if name != "Name"} <= packed
    paths = set(files(prefix))
    for object_name, name in packed:
        assert f"{FIELDS_FOLDER}/main/default/objects/{object_name}/fields/{name}.field-meta.xml" in paths


def test_its_fields_are_of_the_kinds_that_the_simulated_org_has() -> None:
    metadata = Metadata()
    own = (one for packed in packaged_objects() for one in packed.fields)
    for each in (*packaged_fields(""), *own):
        described = metadata.described(each.object_name)
        assert described is not None
        field = described.find(each.name)
        assert field is not None, each.name
        assert field.type in KINDS[each.settings["type"]], each.name
        assert field.target == each.settings.get("referenceTo")
        if "length" in each.settings:
            assert int(each.settings["length"]) >= field.length


def test_the_permission_set_gives_every_field_and_what_writing_needs() -> None:
    path = f"{FIELDS_FOLDER}/main/default/permissionsets/cpqbridge.permissionset-meta.xml"
    given = ET.fromstring(files("Acme_")[path])
    names = {each.findtext(f"{SPACE}field") for each in given.iter(f"{SPACE}fieldPermissions")}
    assert "Order.Acme_Stripe_Sync_Status__c" in names
    assert "Stripe_Sync_Record__c.Key__c" in names
    assert {each.findtext(f"{SPACE}name") for each in given.iter(f"{SPACE}userPermissions")} == {
        "ApiEnabled",
        "EditActivatedOrders",
    }
    rights = {
        each.findtext(f"{SPACE}object"): each.findtext(f"{SPACE}allowDelete")
        for each in given.iter(f"{SPACE}objectPermissions")
    }
    assert rights["Stripe_Sync_Record__c"] == "true"
    assert rights["Order"] == "false"


def test_the_app_comes_back_to_where_it_was_asked_from() -> None:
    (path,) = (name for name in files() if name.endswith(".ecaGlblOauth-meta.xml"))
    settings = ET.fromstring(files()[path])
    assert settings.findtext(f"{SPACE}callbackUrl") == CALLBACK
    assert settings.findtext(f"{SPACE}isPkceRequired") == "true"
    assert settings.find(f"{SPACE}consumerSecret") is None
